"""The event loop in which all sessions live, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["Background"]

T = TypeVar("T")

_QUIET = ("", "client", "httpx", "mcp.client.streamable_http")
"""Loggers to which the SDK and its HTTP client report what servers wrote, and addresses that may hold secrets."""


class Background:
    """A thread with an event loop; started by the first piece of work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process = os.getpid()

    @property
    def running(self) -> bool:
        """Whether there is such a thread in this process; a forked child has none."""
        return self._loop is not None and self._process == os.getpid()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the loop and return what came of it."""
        future = asyncio.run_coroutine_threadsafe(work, self._running_loop())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the thread. May be called twice."""
        with self._lock:
            if not self.running or self._thread is None or self._loop is None:
                return
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            for name in _QUIET:
                logging.getLogger(name).removeFilter(self._is_not_ours)
            self._loop = self._thread = None

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if not self.running or self._loop is None:
                self._process = os.getpid()
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._work, args=(self._loop,), name="evolvent-mcp", daemon=True
                )
                for name in _QUIET:
                    logging.getLogger(name).addFilter(self._is_not_ours)
                self._thread.start()
            return self._loop

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _is_not_ours(self, record: logging.LogRecord) -> bool:
        return self._thread is None or record.thread != self._thread.ident
