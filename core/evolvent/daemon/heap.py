"""Gives freed memory back to the machine: what a process of many threads frees, its allocator else keeps for weeks."""

from __future__ import annotations

import ctypes
import functools
import gc
import time
from collections.abc import Callable

__all__ = ["Heap"]

ARENAS = 2
"""Heaps that all threads share. glibc makes eight for each core by default, each with gaps of its own; Python runs one
thread at a time, so that more gain nothing."""
M_ARENA_MAX = -8
"""Of `mallopt(3)`; see glibc's `malloc.h`."""
EVERY_SECONDS = 30.0


class Heap:
    """The process's memory. Does nothing where the C library is not glibc.

    Args:
        every: seconds from one giving back to the next.
        clock: seconds, monotonic.
    """

    def __init__(self, every: float = EVERY_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._every, self._clock = every, clock
        self._given = clock()

    def share(self) -> None:
        """Let the threads that are started from now on share few heaps; for the beginning of a process."""
        library = _glibc()
        if library is not None:
            library.mallopt(M_ARENA_MAX, ARENAS)

    def settle(self) -> None:
        """Let collections of garbage pass over what is there after a start: it stays to the end anyway."""
        gc.collect()
        gc.freeze()

    def tick(self) -> bool:
        """Give back what is free, if it is time; return whether it was."""
        now = self._clock()
        if now - self._given < self._every:
            return False
        self._given = now
        self.give_back()
        return True

    def give_back(self) -> None:
        """Collect garbage, and give whole free pages back (`malloc_trim(3)`); tens of milliseconds once settled."""
        gc.collect()
        library = _glibc()
        if library is not None:
            library.malloc_trim(0)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018 - whether it is there
    except (OSError, AttributeError):
        return None
    return library
