"""When something that failed is worth another try."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Patience"]


class Patience:
    """Waits twice as long after each failure in a row, and after a number of them for ever."""

    def __init__(self, tries: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without a failure.

        Args:
            tries: failures in a row after which it is tried no more.
            seconds: to wait after the first.
            clock: seconds.
        """
        self._tries, self._seconds, self._clock = tries, seconds, clock
        self._failures = 0
        self._until: float | None = None

    def failed(self) -> None:
        """Note a failure."""
        self._failures += 1
        self._until = self._clock() + self._seconds * 2 ** (self._failures - 1)

    def succeeded(self) -> None:
        """Forget the failures."""
        self._failures, self._until = 0, None

    def is_over(self) -> bool:
        """Whether it has failed and is worth another try now."""
        return self._until is not None and self._failures < self._tries and self._clock() >= self._until
