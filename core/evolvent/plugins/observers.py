"""Telling observers of events without letting the run wait for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from evolvent.types import Event

__all__ = ["Observers"]

BEHIND = 10_000
"""Events that may wait to be told; then the run waits, so that a slow observer does not fill the memory."""


class Observers:
    """Tells events in order, on a thread of its own that is started with the first event.

    Args:
        tell: tells one event to all observers; must not raise.
    """

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell
        self._waiting: SimpleQueue[Event | threading.Event] = SimpleQueue()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, event: Event) -> None:
        """Have an event told soon."""
        if self._thread is None or not self._thread.is_alive():
            self._begin()
        self._waiting.put(event)
        if self._waiting.qsize() > BEHIND and threading.current_thread() is not self._thread:
            self.flush()

    def flush(self) -> None:
        """Wait until everything that was put so far was told."""
        thread = self._thread
        if thread is None or thread is threading.current_thread() or not thread.is_alive():
            return  # nothing was put, or this is a child after a fork: the parent tells
        told = threading.Event()
        self._waiting.put(told)
        told.wait()

    def _begin(self) -> None:
        with self._start:
            if self._thread is None or not self._thread.is_alive():  # not alive: in a child after a fork
                self._thread = threading.Thread(target=self._work, name="evolvent-observers", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            item = self._waiting.get()
            if isinstance(item, threading.Event):
                item.set()
            else:
                self._tell(item)
