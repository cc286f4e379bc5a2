"""The daemon: a queue of jobs and the threads that do them."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from typing import Literal

from evolvent import __version__
from evolvent.errors import UnknownName, error_text
from evolvent.runtime import Runtime
from evolvent.storage import JobQueue
from evolvent.types import ApprovalRequest, DaemonStatus, Job, JobRequest, JobState

__all__ = ["Daemon"]

KINDS = ("solve",)


class Daemon:
    """Does jobs over one runtime."""

    def __init__(self, runtime: Runtime, *, slots: int = 1, background: bool = True) -> None:
        self.runtime = runtime
        self.queue = JobQueue(runtime.services.engine, runtime.ledger)
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._wake, self._draining, self._paused = threading.Event(), False, ""
        self._threads = [threading.Thread(target=self._work, args=(f"w{n}",)) for n in range(slots)]
        self._error = ""

    def start(self) -> None:
        """Begin to do jobs."""
        self.queue.recover("")
        for thread in self._threads:
            thread.start()

    def drain(self, seconds: float) -> bool:
        """Begin no more jobs, and wait for those that run; return whether all ended."""
        self._draining = True
        self._wake.set()
        until = time.monotonic() + seconds
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def submit(self, request: JobRequest) -> tuple[Job, bool]:
        """Queue a job.

        Raises:
            UnknownName: nobody handles its kind.
        """
        if request.kind not in KINDS:
            raise UnknownName("kind of job", request.kind, KINDS)
        found = self.queue.submit(request)
        self._wake.set()
        return found

    def cancel(self, job_id: str) -> Job:
        """Cancel a job."""
        return self.queue.cancel(job_id)

    def answer(
        self, approval_id: str, verdict: Literal["approve", "reject"], words: str = ""
    ) -> ApprovalRequest:
        """Answer a question, and queue the job that waits for it."""
        approvals = self.runtime.approvals
        request = approvals.answer(approvals.get(approval_id).id, verdict, words)
        self.queue.wake(request.run_id)
        self._wake.set()
        return request

    def status(self) -> DaemonStatus:
        """Say how it is."""
        return DaemonStatus(
            pid=os.getpid(),
            started_at=self._started_at,
            version=__version__,
            state="draining" if self._draining else "paused" if self._paused else "running",
            why_paused=self._paused,
            jobs=self.queue.counts(),
            current=tuple(self.queue.list([JobState.RUNNING])),
            last_error=self._error,
        )

    def pause(self, reason: str) -> None:
        """Begin no more jobs for now."""
        self._paused = reason

    def resume(self) -> None:
        """Begin jobs again."""
        self._paused = ""
        self._wake.set()

    def _work(self, worker: str) -> None:
        while not self._draining:
            job = None if self._paused else self.queue.lease(worker, KINDS)
            if job is None:
                self._wake.wait(0.1)
                self._wake.clear()
                continue
            try:
                row = self.runtime.runs.find(job.run_id)
                prompt = str(job.payload.get("prompt"))
                waits = row is not None and row.status == "waiting"
                asked = self.runtime.approvals.list(job.run_id, pending=False)
                last = asked[-1] if waits and asked else None
                result = (
                    self.runtime.answer(last.id, last.verdict, last.answer)
                    if last and last.verdict
                    else self.runtime.solve(prompt, run_id=job.run_id)
                )
                if result.status == "waiting":
                    self.queue.wait(job.id, worker, result.detail)
                else:
                    self.queue.finish(job.id, worker, result.model_dump(mode="json"))
            except Exception as error:
                self._error = error_text(error)
                self.queue.fail(job.id, worker, self._error)
