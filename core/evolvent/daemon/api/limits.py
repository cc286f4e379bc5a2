"""How many requests one caller may make: a token bucket each."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["Rates"]

CALLERS = 10_000
"""Callers that are remembered; the one that was quiet longest is forgotten first."""


class Rates:
    """Buckets that fill with `rate` a second and hold twice that.

    Only used on the event loop, so it needs no lock.

    Args:
        rate: requests a second on average.
        clock: seconds, monotonic.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._size = max(1.0, 2.0 * rate)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> float:
        """Count a request; return the seconds after which the caller may try again, 0 when it may go on."""
        now = self._clock()
        left, at = self._left.pop(caller, (self._size, now))
        left = min(self._size, left + (now - at) * self._rate)
        wait = 0.0 if left >= 1.0 else (1.0 - left) / self._rate
        self._left[caller] = (left - 1.0 if wait == 0.0 else left, now)
        if len(self._left) > CALLERS:
            self._left.popitem(last=False)
        return wait
