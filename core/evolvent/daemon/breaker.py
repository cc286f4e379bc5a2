"""A circuit breaker for the model's endpoint: while it is down jobs wait, and one of them at a time tries it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal

__all__ = ["Breaker"]

FIRST_SECONDS = 5.0
LONGEST_SECONDS = 600.0


class Breaker:
    """Open after a failed call (which was retried before), for a time that doubles with each further one.

    After that time one job may try ("half open"). Any answer of the model closes it. Time is monotonic: a clock that
    jumps does not change it.

    Args:
        first: seconds that it is open after the first failure.
        longest: bound of that time.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        first: float = FIRST_SECONDS,
        longest: float = LONGEST_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first, self._longest, self._clock = first, longest, clock
        self._lock = threading.Lock()
        self._failures = 0
        self._until = 0.0
        self._probe: str | None = None

    @property
    def state(self) -> Literal["up", "down", "probing"]:
        """How the model is, as far as is known."""
        if not self._failures:
            return "up"
        return "down" if self._probe is None else "probing"

    def admits(self) -> bool:
        """Whether a job that may need the model can begin now."""
        with self._lock:
            return not self._failures or (self._probe is None and self._clock() >= self._until)

    def begin(self, job_id: str) -> None:
        """Hear that a job begins; while the model is down, it is the one that tries it."""
        with self._lock:
            if self._failures:
                self._probe = job_id

    def end(self, job_id: str) -> None:
        """Hear that a job ended; if it did not reach the model, another one may try."""
        with self._lock:
            if self._probe == job_id:
                self._probe = None

    def failed(self) -> float:
        """Hear that the model did not answer; return the seconds until somebody may try again.

        Failures of jobs that began before the first one count as that one.
        """
        with self._lock:
            if not self._failures or self._clock() >= self._until:
                self._failures += 1
                wait = min(self._first * 2.0 ** min(self._failures - 1, 30), self._longest)
                self._until = self._clock() + wait
            return max(0.0, self._until - self._clock())

    def answered(self) -> bool:
        """Hear that the model answered; return whether it was down."""
        with self._lock:
            was, self._failures, self._probe = bool(self._failures), 0, None
            return was
