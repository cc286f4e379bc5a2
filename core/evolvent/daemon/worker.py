"""Worker threads: they lease jobs, do them, and say what came of each."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from evolvent.daemon.breaker import Breaker
from evolvent.daemon.handlers import HANDLERS, Handler, Outcome, checked
from evolvent.daemon.holds import Holds
from evolvent.daemon.work import Why, Work
from evolvent.errors import MissingPrerequisite, ModelCallError, RunStopped, UsageError, error_text
from evolvent.logs import logged_with
from evolvent.storage import JobLost, JobQueue
from evolvent.types import BrokerAnswered, Event, Job

if TYPE_CHECKING:
    from evolvent.runtime import Runtime

__all__ = ["Workers"]

_log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""After which a free worker looks again by itself, for a job whose time has come."""
STRANGE_SECONDS = 30.0
"""Before a job is begun again that stopped for no reason that is known here."""
ANY = -101
"""Below every priority."""
IDLE = -1
"""The highest priority of what is done in idle time."""


class Workers:
    """The daemon's threads.

    Args:
        runtime: what jobs are done with.
        queue: where they come from.
        slots: threads.
        holds: reasons to begin nothing.
        idle_holds: reasons to begin nothing of what is done in idle time.
        handlers: who does which kind.
        breaker: of the model.
        failed: hears of failures that people should know.
    """

    def __init__(
        self,
        runtime: Runtime,
        queue: JobQueue,
        slots: int,
        holds: Holds,
        idle_holds: Holds,
        failed: Callable[[str], None],
        handlers: Mapping[str, Handler] = HANDLERS,
        breaker: Breaker | None = None,
    ) -> None:
        self._runtime, self._queue, self._slots = runtime, queue, slots
        self._holds, self._idle_holds = holds, idle_holds
        self._handlers, self._failed = handlers, failed
        self.breaker = breaker or Breaker()
        self.process = f"{os.getpid()}-{uuid.uuid4().hex[:6]}"
        """Begins the names of this process's workers; no other process ever has it."""
        self._changed = threading.Condition()
        self._leasing = threading.Lock()
        self._works: dict[str, Work] = {}
        self._names: set[str] = set()
        """Of the threads that take jobs."""
        self._made = 0
        self._ending = False

    def start(self) -> None:
        """Start the threads."""
        with self._changed:
            for _ in range(self._slots):
                self._add()

    def wake(self) -> None:
        """Hear that there may be a job; what is done in idle time makes room for a person's."""
        with self._changed:
            self._changed.notify_all()
        self.make_room()

    def works(self) -> list[Work]:
        """Return what is being done."""
        with self._changed:
            return list(self._works.values())

    def hear(self, event: Event) -> None:
        """Take an event as a sign of life of its job, and of the model."""
        for work in self.works():
            work.hear(event)

    def model_answered(self, event: Event) -> bool:
        """Whether an event says that the model is up again."""
        answered = isinstance(event, BrokerAnswered) and event.method == "model.complete" and event.ok
        return answered and self.breaker.answered()

    def stop(self, job_id: str, why: Why, reason: str) -> bool:
        """Ask for a job to be stopped; return whether it is being done here and was not asked before."""
        found = next((work for work in self.works() if work.job.id == job_id), None)
        return found is not None and found.stop(why, reason)

    def stop_idle(self, reason: str) -> None:
        """Ask for everything to be stopped that is done in idle time; it goes on later."""
        for work in self.works():
            if work.in_idle_time:
                work.stop("yield", reason)

    def make_room(self) -> None:
        """Where no worker is free and a person's job waits, ask one that works in idle time to yield."""
        with self._changed:
            idle = [work for work in self._works.values() if work.in_idle_time]
            full = len(self._works) >= self._slots
        if not idle or not full or self._ending or self._holds or any(work.why for work in idle):
            return
        if self._queue.waits(IDLE, self._kinds()):
            idle[-1].stop("yield", "a person's job waits")

    def drain(self, seconds: float) -> bool:
        """Begin nothing more, have everything stopped, and give back what does not stop in time.

        Returns:
            Whether everything stopped.
        """
        with self._leasing:
            self._ending = True
        with self._changed:
            self._changed.notify_all()
        for work in self.works():
            work.stop("drain", "the daemon ends")
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._works and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            stuck = dict(self._works)
        for name, work in stuck.items():
            self.abandon(name, work)
        return not stuck

    def abandon(self, name: str, work: Work) -> None:
        """Give up waiting for a thread that does not stop; another one takes its place.

        Its run stays asked to stop, so that it has no effects any more once it comes back.
        """
        with self._changed:
            if self._works.get(name) is not work:
                return
            del self._works[name]
            self._names.discard(name)
            self.breaker.end(work.job.id)
            if not self._ending:
                self._add()
            self._changed.notify_all()
        self._settle(lambda: self._stopped(work, name))

    def _add(self) -> None:
        self._made += 1
        name = f"{self.process}/{self._made}"
        self._names.add(name)
        threading.Thread(
            target=self._serve, args=(name,), name=f"evolvent-job-{self._made}", daemon=True
        ).start()

    def _serve(self, name: str) -> None:
        while True:
            try:
                work = self._next(name)
            except Exception as error:  # the database is busy or damaged: the thread must live on
                self._failed(f"no job could be taken: {error_text(error, 300)}")
                time.sleep(POLL_SECONDS)
                continue
            if work is None:
                return
            with logged_with(job_id=work.job.id, run_id=work.job.run_id):
                self._do(name, work)

    def _next(self, name: str) -> Work | None:
        """Return the next job when there is one; None when the thread is to end."""
        while True:
            with self._leasing:
                if self._ending or name not in self._names:
                    return None
                work = None if self._holds else self._lease(name)
            if work is not None:
                return work
            with self._changed:
                if not self._ending:
                    self._changed.wait(POLL_SECONDS)

    def _lease(self, name: str) -> Work | None:
        above, kinds = (IDLE if self._idle_holds else ANY), self._kinds()
        if not self._queue.waits(above, kinds):  # reading needs no lock of the database
            return None
        job = self._queue.lease(name, kinds, above)
        if job is None:
            return None
        if job.kind in self._handlers and self._handlers[job.kind].needs_model:
            self.breaker.begin(job.id)
        work = Work(self._runtime, job, name)
        with self._changed:
            self._works[name] = work
        if work.in_idle_time and self._idle_holds:  # it came to hold while the job was taken
            work.stop("yield", self._idle_holds.why)
        return work

    def _kinds(self) -> Collection[str] | None:
        """Return the kinds of jobs that can be begun now; None: all."""
        if self.breaker.admits():
            return None
        return [kind for kind, handler in self._handlers.items() if not handler.needs_model]

    def _do(self, name: str, work: Work) -> None:
        job = work.job
        try:
            given = checked(job, self._handlers)
            outcome = self._handlers[job.kind].do(work, given)
        except RunStopped:
            self._settle(lambda: self._stopped(work, name))
        except (ModelCallError, MissingPrerequisite) as error:
            self._wait_for_model(name, work, error_text(error))
        except UsageError as error:
            self._fail(name, work, error, again=False)
        except BaseException as error:  # a plugin may raise anything; the thread lives on
            self._fail(name, work, error, again=True)
        else:
            self._settle(lambda: self._ended(work, name, outcome))
        finally:
            self.breaker.end(job.id)
            with self._changed:
                if self._works.get(name) is work:
                    del self._works[name]
                self._changed.notify_all()
            work.close()

    def _ended(self, work: Work, name: str, outcome: Outcome) -> None:
        job = work.job
        if outcome.state == "finished":
            self._queue.finish(job.id, name, outcome.result)
            self._forget(job)
            return
        self._queue.wait(job.id, name, outcome.reason)
        if not self.questions(job.run_id):  # they were answered before it said that it waits
            self._queue.wake(job.run_id)

    def _forget(self, job: Job) -> None:
        """Let go of the checkpoints of a job that never goes on: some 30 KB each, which weeks would add up."""
        try:
            self._runtime.checkpoints.forget_run(job.run_id)
        except sqlite3.Error as error:
            _log.warning("the checkpoints of %s could not be deleted: %s", job.id, error)

    def questions(self, run_id: str) -> list[str]:
        """Return the questions that a job's runs wait for."""
        pending = self._runtime.approvals.list(limit=1_000)
        return [asked.id for asked in pending if asked.run_id.split("/")[0] == run_id]

    def _stopped(self, work: Work, name: str) -> None:
        """Say of a job that was stopped what becomes of it."""
        job = work.job
        if work.why == "cancel":
            self._queue.cancelled(job.id, name)
            self._forget(job)
        elif work.why == "stall":
            reason = f"it showed no sign of life for {work.silent():.0f} s"
            self._queue.fail(job.id, name, reason, again=False)
        else:
            reasons = {"yield": "a person's job came first", "drain": "the daemon ended"}
            seconds = 0.0 if work.why else STRANGE_SECONDS
            self._queue.give_back(job.id, name, reasons.get(work.why, "its run was stopped"), seconds)

    def _wait_for_model(self, name: str, work: Work, reason: str) -> None:
        seconds = self.breaker.failed()
        self._failed(reason)
        if work.why:
            self._settle(lambda: self._stopped(work, name))
        else:
            self._settle(lambda: self._queue.give_back(work.job.id, name, reason, seconds))

    def _fail(self, name: str, work: Work, error: BaseException, *, again: bool) -> None:
        if work.why:  # what a stopped guest left behind is no failure of the job
            self._settle(lambda: self._stopped(work, name))
            return
        reason = error_text(error)
        _log.info("job %s failed", work.job.id, exc_info=error)
        self._failed(f"job {work.job.id}: {reason}")
        self._settle(lambda: self._queue.fail(work.job.id, name, reason, again=again))

    def _settle(self, write: Callable[[], object]) -> None:
        """Write down what came of a job, when the database takes it; another process may have the job by now."""
        while True:
            try:
                write()
                return
            except JobLost as lost:
                _log.info("%s", lost)
                return
            except Exception as error:  # a full disk, a locked database
                self._failed(f"what came of a job could not be written yet: {error_text(error, 300)}")
                if self._ending:
                    return  # the next process finds it as it was
                time.sleep(POLL_SECONDS)
