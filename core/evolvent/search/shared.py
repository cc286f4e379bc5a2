"""One embedder for several indexes, loaded when the first of them needs it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Once"]

_T = TypeVar("_T")


class Once(Generic[_T]):
    """Calls a maker on first use, in one thread at a time, and keeps what it made."""

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._made: list[_T] = []
        self._lock = threading.Lock()

    def __call__(self) -> _T:
        """Return what the maker made."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]
