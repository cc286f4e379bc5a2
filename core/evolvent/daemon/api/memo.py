"""What many ask for at once is made once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

__all__ = ["Memo"]

T = TypeVar("T")

MOST = 100


class Memo:
    """Remembers values for a moment; who asks while one is made waits for it.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[Hashable, _Kept] = {}

    def get(self, key: Hashable, seconds: float, make: Callable[[], T]) -> T:
        """Return a value that was made for this key at most so many seconds ago."""
        with self._lock:
            if key not in self._kept and len(self._kept) >= MOST:
                self._kept.clear()
            kept = self._kept.setdefault(key, _Kept())
        with kept.lock:
            if kept.made is None or self._clock() - kept.made >= seconds:
                began = self._clock()
                kept.value = make()
                kept.made = began
            return cast(T, kept.value)


class _Kept:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.made: float | None = None
        """When its making began: what it shows is not newer than that."""
        self.value: object = None
