"""A job while somebody does it: how it is stopped, and whether it shows signs of life."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from evolvent.logs import logged_with
from evolvent.types import Event, Job

if TYPE_CHECKING:
    from evolvent.runtime import Runtime

__all__ = ["Why", "Work"]

Why = Literal["", "cancel", "yield", "drain", "stall"]
"""Why a job is asked to stop: it was cancelled; one that is more urgent waits; the daemon ends; it shows no sign of
life."""


class Work:
    """A job that a worker does.

    Args:
        runtime: what it is done with.
        job: the job.
        worker: who does it.
    """

    def __init__(self, runtime: Runtime, job: Job, worker: str) -> None:
        self.runtime, self.job, self.worker = runtime, job, worker
        self.why: Why = ""
        self.stopped_at = 0.0
        """When it was asked to stop, in monotonic seconds."""
        self._seen = time.monotonic()
        self._lock = threading.Lock()
        self._runs = {job.run_id}

    @property
    def in_idle_time(self) -> bool:
        """Whether it is done only while no person's job waits."""
        return self.job.priority < 0

    def stop(self, why: Why, reason: str) -> bool:
        """Ask it to stop; return whether it was not asked before.

        Making room is the weakest reason: what hangs or is cancelled while it should do so is stopped for that.
        """
        with self._lock:
            if self.why and (self.why != "yield" or why == "yield"):
                return False
            self.why, self.stopped_at = why, time.monotonic()
            runs = set(self._runs)
        for run_id in runs:
            self.runtime.services.stops.ask(run_id, reason)
        return True

    def stopping(self) -> bool:
        """Whether it is asked to stop; work that no guest does looks here."""
        return bool(self.why)

    @contextmanager
    def run(self, run_id: str) -> Iterator[None]:
        """Say in which other run than that of the job the work is done in here: it stops with the job."""
        stops = self.runtime.services.stops
        with self._lock:
            self._runs.add(run_id)
            asked = self.why
        if asked:
            stops.ask(run_id, asked)
        try:
            with logged_with(run_id=run_id):
                yield
        finally:
            with self._lock:
                self._runs.discard(run_id)
            stops.withdraw(run_id)

    def hear(self, event: Event) -> None:
        """Take an event of one of its runs as a sign of life."""
        if any(event.run_id == run or event.run_id.startswith(f"{run}/") for run in tuple(self._runs)):
            self.alive()

    def alive(self) -> None:
        """Show a sign of life."""
        self._seen = time.monotonic()

    def silent(self) -> float:
        """Return the seconds since its last sign of life."""
        return time.monotonic() - self._seen

    def close(self) -> None:
        """Hear that nobody works at it any more: its run may be gone on with."""
        self.runtime.services.stops.withdraw(self.job.run_id)
