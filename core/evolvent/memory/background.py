"""Consolidation beside the solves: one thread at a time, never waited for by a solve, joined at the end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Background"]

_log = logging.getLogger(__name__)


class Background:
    """Runs a pass after every `after` new lessons.

    Args:
        work: does a pass; it is given a function that says whether to stop.
        after: new lessons that start one; 0: never.
    """

    def __init__(self, work: Callable[[Callable[[], bool]], object], after: int) -> None:
        self._work = work
        self._after = after
        self._new = 0
        self._paused = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def count(self) -> None:
        """Hear of a new lesson; starts a pass where there are enough."""
        with self._lock:
            self._new += 1
            self._start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Start nothing in here, and wait for what runs: a job that must be repeatable does its passes itself."""
        with self._lock:
            self._paused += 1
            running = self._thread
        if running is not None:
            running.join()
        try:
            yield
        finally:
            with self._lock:
                self._paused -= 1
                self._start()

    def close(self) -> None:
        """Stop after the current step and wait for it. May be called twice."""
        with self._lock:
            self._stopping.set()
            running = self._thread
        if running is not None:
            running.join()

    def _start(self) -> None:
        busy = self._thread is not None and self._thread.is_alive()
        if not self._after or self._new < self._after or busy or self._paused or self._stopping.is_set():
            return
        self._new = 0
        self._thread = threading.Thread(target=self._run, name="evolvent-consolidation")
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work(self._stopping.is_set)
        except Exception:
            _log.exception(
                "the memory could not be consolidated; `evolvent memory consolidate` does it by hand"
            )
