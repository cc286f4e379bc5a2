"""The daemon: a queue, its workers, and what looks after them."""

from __future__ import annotations

import logging
import os
import threading
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from evolvent.daemon.background import Background
from evolvent.daemon.budgets import DayUsage
from evolvent.daemon.handlers import checked
from evolvent.daemon.heap import Heap
from evolvent.daemon.holds import Holds
from evolvent.daemon.safekeeping import Safekeeping
from evolvent.daemon.watch import Watch
from evolvent.daemon.worker import Workers
from evolvent.storage import JobQueue
from evolvent.types import (
    ApprovalRequest,
    DaemonChanged,
    DaemonStatus,
    Event,
    Job,
    JobRequest,
    JobState,
)

if TYPE_CHECKING:
    from evolvent.runtime import Runtime

__all__ = ["Daemon"]

_log = logging.getLogger(__name__)


class Daemon:
    """Does queued jobs with an open runtime, people's first; what is left of the time goes to practice and evolution.

    Args:
        runtime: an open runtime; it stays open.
        slots: jobs at once.
        background: whether something is done in idle time.
        heap: the process's memory, where the process is the daemon's own.

    Raises:
        UsageError: a setting of the daemon cannot be used.
    """

    def __init__(
        self, runtime: Runtime, *, slots: int = 1, background: bool = True, heap: Heap | None = None
    ) -> None:
        settings, engine, ledger = runtime.settings, runtime.services.engine, runtime.ledger
        self.runtime = runtime
        self.queue = JobQueue(engine, ledger)
        self._pid = os.getpid()
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._life = uuid.uuid4().hex[:12]
        self._told = 0
        self._lock = threading.Lock()
        self._draining = False
        self._last_error = ""
        self._holds = Holds(lambda why: self._changed("paused" if why else "resumed", why))
        self._idle_holds = Holds(self._idle_changed)
        self._workers = Workers(runtime, self.queue, slots, self._holds, self._idle_holds, self._failed)
        self._usage = DayUsage(engine, ledger, settings)
        self._watch = Watch(
            runtime.home.path,
            settings,
            self.queue,
            self._workers,
            self._usage,
            self._holds,
            self._idle_holds,
            self._changed,
            heap=heap,
        )
        self._background = (
            Background(settings, self.queue, self._workers, self._idle_holds) if background else None
        )
        self._safekeeping = Safekeeping(
            runtime.home, settings.daemon_backup_hours, lambda: bool(self._workers.works()), self._backed_up
        )
        self._stop_listening = ledger.listen(self._hear)

    def start(self) -> None:
        """Take back what an earlier process had, and begin."""
        self._changed("started", f"process {self._pid}")
        self.queue.recover(self._workers.process)
        self.queue.shift(0.0)
        for job in self.queue.list([JobState.WAITING], limit=10_000):
            if not self._workers.questions(job.run_id):
                self.queue.wake(job.run_id)
        self._watch.tick()
        self._watch.start()
        self._workers.start()
        self._safekeeping.start()
        if self._background is not None:
            self._background.start()

    def drain(self, seconds: float) -> bool:
        """Begin nothing more, and give back what is being done: it goes on where it was with the next start.

        Args:
            seconds: to wait for it to stop; what does not is given back all the same.

        Returns:
            Whether everything stopped in time.
        """
        with self._lock:
            if self._draining:
                return not self._workers.works()
            self._draining = True
        self._changed("draining", "")
        if self._background is not None:
            self._background.stop()
        self._safekeeping.stop()
        clean = self._workers.drain(seconds)
        self._watch.stop()
        self._usage.write(all_=True)
        self._changed("ended", "" if clean else f"some jobs did not stop within {seconds:g} s")
        self._stop_listening()
        return clean

    def submit(self, request: JobRequest) -> tuple[Job, bool]:
        """Take a job on; when this returns, no crash loses it. Returns the job, and whether it is new.

        Raises:
            UnknownName: nobody does jobs of this kind.
            UsageError: the payload does not fit, or the key belongs to another request.
        """
        checked(request)
        job, new = self.queue.submit(request)
        self._workers.wake()
        return job, new

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; the guest of one that is being done is killed. Ended ones stay as they are.

        Raises:
            UnknownName: there is no such job.
        """
        job = self.queue.cancel(job_id)
        if job.state == JobState.RUNNING:
            self._workers.stop(job.id, "cancel", "the job was cancelled")
        return self.queue.get(job.id)

    def retry(self, job_id: str) -> Job:
        """Queue a job again that was given up.

        Raises:
            UnknownName: there is no such job.
            UsageError: it was not given up.
        """
        job = self.queue.retry(job_id)
        self._workers.wake()
        return job

    def answer(
        self, approval_id: str, verdict: Literal["approve", "reject"], words: str = ""
    ) -> ApprovalRequest:
        """Answer a question; the job that waits for it goes on once all its questions are answered.

        Raises:
            UnknownName: nothing was asked under this id.
            UsageError: it was answered otherwise before.
        """
        approvals = self.runtime.approvals
        answered = approvals.answer(approvals.get(approval_id).id, verdict, words)
        root = answered.run_id.split("/")[0]
        if not self._workers.questions(root) and self.queue.wake(root):
            self._workers.wake()
        return answered

    def status(self) -> DaemonStatus:
        """Say how it is."""
        from evolvent import __version__

        return DaemonStatus(
            pid=self._pid,
            started_at=self._started_at,
            version=__version__,
            state="draining" if self._draining else "paused" if self._holds else "running",
            why_paused=self._holds.why,
            idle=self._idle_holds.why if self._background is not None else "it is turned off",
            model=self._workers.breaker.state,
            jobs=self.queue.counts(),
            current=tuple(work.job for work in self._workers.works()),
            budgets=self._usage.budgets(),
            last_backup=self._safekeeping.last(),
            last_error=self._last_error,
        )

    def pause(self, reason: str) -> None:
        """Begin no job until `resume`; what is being done goes on."""
        self._holds.set("person", reason or "paused by a person")

    def resume(self) -> None:
        """Take back a `pause`."""
        self._holds.set("person", "")
        self._workers.wake()

    def _hear(self, event: Event) -> None:
        """Listen to the ledger. Whoever appends must not suffer from what goes wrong here."""
        try:
            self._workers.hear(event)
            self._usage.hear(event)
            if self._workers.model_answered(event):
                self._changed("model", "it answers again")
        except Exception:
            _log.exception("the daemon could not hear of %s", event.kind)

    def _failed(self, reason: str) -> None:
        if reason != self._last_error and self._workers.breaker.state == "down":
            self._changed("model", reason)
        self._last_error = reason[:1_000]

    def _backed_up(self, problem: str) -> None:
        self._changed("backup", problem or "made")
        if problem:
            self._last_error = problem[:1_000]

    def _idle_changed(self, why: str) -> None:
        if why:
            self._workers.stop_idle(why)
        self._changed("idle paused" if why else "idle resumed", why)

    def _changed(self, what: Any, reason: str) -> None:
        with self._lock:
            self._told += 1
            key = f"daemon:{self._life}:{self._told}"
        self.runtime.ledger.append(DaemonChanged(key=key, what=what, reason=reason[:1_000]))
