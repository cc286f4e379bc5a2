"""Telling observers of events without letting the run wait for them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from evolvent.types import Event

__all__ = ["Observers"]

BEHIND = 10_000
"""Events that may wait to be told; then the run waits, so that a slow observer does not fill the memory."""
IDLE_SECONDS = 5.0
"""Without an event for as long, the thread ends: it holds its plugins, and nobody tells it that they are not needed."""


class Observers:
    """Tells events in order, on a thread of its own that is there while there are events.

    Args:
        tell: tells one event to all observers; must not raise.
    """

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell
        self._waiting: SimpleQueue[Event | threading.Event] = SimpleQueue()
        self._beginning = threading.Lock()
        self._process = os.getpid()
        self._thread: threading.Thread | None = None

    def put(self, event: Event) -> None:
        """Have an event told soon."""
        self._hand_over(event)
        if self._waiting.qsize() > BEHIND and threading.current_thread() is not self._thread:
            self.flush()

    def flush(self) -> None:
        """Wait until everything that was put so far was told."""
        thread = self._thread
        if thread is None or thread is threading.current_thread() or not thread.is_alive():
            return  # everything was told, or this is a child after a fork: the parent tells
        told = threading.Event()
        self._hand_over(told)
        told.wait()

    def _hand_over(self, item: Event | threading.Event) -> None:
        if (
            self._process != os.getpid()
        ):  # a child after a fork, which another thread may have held the lock at
            self._beginning, self._process = threading.Lock(), os.getpid()
        with self._beginning:
            self._waiting.put(item)
            if self._thread is None or not self._thread.is_alive():  # not alive: after a fork
                self._thread = threading.Thread(target=self._work, name="evolvent-observers", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            try:
                item = self._waiting.get(timeout=IDLE_SECONDS)
            except Empty:
                with self._beginning:
                    if self._waiting.empty():
                        self._thread = None
                        return
                continue
            if isinstance(item, threading.Event):
                item.set()
            else:
                self._tell(item)
