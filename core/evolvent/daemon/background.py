"""What is done when no job waits: practice, evolution, order; at its times, within quiet hours."""

from __future__ import annotations

import logging
import re
import threading
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from evolvent.errors import UnknownName, UsageError, error_text
from evolvent.settings import Settings
from evolvent.storage import JobQueue
from evolvent.types import EvolveOptions, Job, JobRequest, JobState, JsonValue

if TYPE_CHECKING:
    from evolvent.daemon.holds import Holds
    from evolvent.daemon.worker import Workers

__all__ = ["Background", "Idle", "QuietHours", "parse_idle", "parse_quiet"]

_log = logging.getLogger(__name__)

PRIORITY = -50
TICK_SECONDS = 5.0
FAILED_SECONDS = 3600.0
"""After what was given up, before it is tried again."""
GENERATIONS = 1_000_000
KINDS = {"evolve": "evolve", "practise": "learn", "consolidate": "consolidate", "audit": "audit"}
"""Words of the setting, and the kinds of jobs that they make."""
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Idle(NamedTuple):
    """One thing to do in idle time."""

    name: str
    every: float
    """Seconds from one to the next; 0: whenever there is time."""


class QuietHours(NamedTuple):
    """Hours of the day in which only people's jobs are done; over midnight where they end before they begin."""

    begin: time
    end: time

    def holds(self, now: time) -> bool:
        """Whether a time of the day is in them."""
        if self.begin <= self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end


def parse_idle(text: str) -> list[Idle]:
    """Read the setting `daemon_idle`.

    Raises:
        UnknownName: a word is none of `KINDS`.
        UsageError: an interval is malformed, or a word occurs twice.
    """
    found: list[Idle] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, interval = (word.strip() for word in part.partition("@"))
        if name not in KINDS:
            raise UnknownName("work for idle time", name, KINDS, "It is set by EVOLVENT_DAEMON_IDLE.")
        match = re.fullmatch(r"(\d{1,6})([smhd])", interval)
        if interval and match is None:
            raise UsageError(
                f"the interval {interval!r} of {name!r} in EVOLVENT_DAEMON_IDLE is no number with a unit: "
                "write 90s, 15m, 6h or 2d"
            )
        if any(name == other.name for other in found):
            raise UsageError(f"EVOLVENT_DAEMON_IDLE names {name!r} twice; once is enough")
        found.append(Idle(name, int(match[1]) * UNITS[match[2]] if match else 0.0))
    return found


def parse_quiet(text: str) -> QuietHours | None:
    """Read the setting `daemon_quiet_hours`; None: there are none.

    Raises:
        UsageError: it is malformed.
    """
    if not text.strip():
        return None
    match = re.fullmatch(r"\s*(\d\d:\d\d)\s*-\s*(\d\d:\d\d)\s*", text)
    try:
        begin, end = (time.fromisoformat(part) for part in match.groups()) if match else (None, None)
    except ValueError:
        begin = end = None
    if begin is None or end is None or begin == end:
        raise UsageError(
            f"EVOLVENT_DAEMON_QUIET_HOURS is {text!r}; write two different times of the day, such as 08:00-18:00"
        )
    return QuietHours(begin, end)


class Background:
    """Queues one job at a time for idle time, whenever nobody waits.

    APScheduler tells when something is due; the queue remembers what was done, so that a restart repeats nothing.

    Args:
        settings: what, how often, when not, and on which suite.
        queue: where the jobs go.
        workers: hears of them, and stops them when quiet hours begin.
        idle_holds: reasons not to do it now.
    """

    def __init__(self, settings: Settings, queue: JobQueue, workers: Workers, idle_holds: Holds) -> None:
        self._settings, self._queue, self._workers, self._holds = settings, queue, workers, idle_holds
        self._idle = parse_idle(settings.daemon_idle)
        self._quiet = parse_quiet(settings.daemon_quiet_hours)
        self._lock = threading.Lock()
        self._due = {idle.name for idle in self._idle if not idle.every}
        self._scheduler = None if not self._idle else self._scheduled()

    def start(self) -> None:
        """Begin."""
        if self._scheduler is not None:
            self._keep_quiet()
            self._scheduler.start()

    def stop(self) -> None:
        """End; what is queued stays."""
        if self._scheduler is not None and self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def tick(self) -> Job | None:
        """Queue the next thing, if nobody waits and none of its kind is on its way; return its job."""
        with self._lock:
            if self._holds or self._queue.waits(PRIORITY - 1) or self._workers.works():
                return None
            for idle in sorted(self._idle, key=lambda one: -one.every):  # what is rarely due comes first
                if idle.name in self._due and self._may(idle):
                    if idle.every:
                        self._due.discard(idle.name)
                    job, _ = self._queue.submit(self._request(idle))
                    self._workers.wake()
                    return job
        return None

    def _may(self, idle: Idle) -> bool:
        """Whether none of it waits, and the last one was not given up just now."""
        last = self._newest(KINDS[idle.name])
        if last is None or last.state in (JobState.FINISHED, JobState.CANCELLED):
            return True
        return last.state == JobState.DEAD and _age(last.ended_at) >= FAILED_SECONDS

    def _newest(self, kind: str) -> Job | None:
        return next((job for job in self._queue.list(kind=kind) if job.priority < 0), None)

    def _request(self, idle: Idle) -> JobRequest:
        kind, suite = KINDS[idle.name], self._settings.daemon_suite
        payload: dict[str, JsonValue] = {}
        if kind == "evolve":
            options = EvolveOptions(generations=GENERATIONS).model_dump(mode="json", exclude_unset=True)
            payload = {"suite": suite, "options": options, "at_most": 1}
        elif kind == "learn":
            practised = sum(job.priority < 0 for job in self._queue.list(kind=kind, limit=10_000))
            payload = {"suite": suite, "options": {"seed": practised}}
        return JobRequest(kind=kind, payload=payload, priority=PRIORITY, max_tries=2)

    def _scheduled(self) -> Any:
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.schedulers.background import BackgroundScheduler
        from apscheduler.triggers.cron import CronTrigger
        from apscheduler.triggers.interval import IntervalTrigger

        scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            daemon=True,
        )
        scheduler.add_job(self._ticked, IntervalTrigger(seconds=TICK_SECONDS))
        now = datetime.now().astimezone()
        for idle in self._idle:
            if idle.every:
                last = self._newest(KINDS[idle.name])
                wait = 0.0 if last is None else max(0.0, idle.every - _age(last.created_at))
                scheduler.add_job(
                    self._due.add,
                    IntervalTrigger(seconds=int(idle.every)),
                    args=[idle.name],
                    next_run_time=now + timedelta(seconds=wait),
                )
        for at in () if self._quiet is None else self._quiet:
            scheduler.add_job(self._keep_quiet, CronTrigger(hour=at.hour, minute=at.minute))
        return scheduler

    def _ticked(self) -> None:
        try:
            self._keep_quiet()
            self.tick()
        except Exception as error:  # a busy database: the next tick is soon
            _log.warning("nothing could be queued for idle time: %s", error_text(error, 300))

    def _keep_quiet(self, now: time | None = None) -> None:
        """Hold what is done in idle time in the quiet hours."""
        if self._quiet is None:
            return
        quiet = self._quiet.holds(now or datetime.now().time())
        begin, end = (at.isoformat("minutes") for at in self._quiet)
        self._holds.set("quiet", f"quiet hours from {begin} to {end}" if quiet else "")


def _age(moment: str | None) -> float:
    """Return the seconds since a moment; never negative, whatever the clock did."""
    if not moment:
        return 0.0
    then = datetime.fromisoformat(moment)
    return max(0.0, (datetime.now(then.tzinfo) - then).total_seconds())
