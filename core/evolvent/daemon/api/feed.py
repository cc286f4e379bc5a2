"""The ledger as a stream: one reader of the database for all who listen."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import NamedTuple

from evolvent.daemon.api.threads import in_thread
from evolvent.storage import Ledger
from evolvent.types import Event, event_adapter

__all__ = ["Entry", "Feed"]

_log = logging.getLogger(__name__)

KEPT = 2_000
"""Newest events that are kept in memory."""
BATCH = 500
LOOK = 10.0
GATHER = 0.05
"""Seconds in which what happens is sent together."""
POLL = 1.0
"""Seconds after which the database is looked at although nobody said that there is something."""
DATA = b"\ndata: "


class Entry(NamedTuple):
    """One event as it is sent."""

    number: int
    kind: str
    run_id: str
    frame: bytes
    """The event as it goes over the wire: encoded once for all who listen, and kept in this form only."""

    @property
    def event(self) -> Event:
        """The event, read anew from its frame."""
        return event_adapter.validate_json(self.frame[self.frame.index(DATA) + len(DATA) :])


class Feed:
    """Hands out the events of a ledger in order, each once, from any number on.

    Args:
        ledger: read in threads.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._kept: deque[Entry] = deque(maxlen=KEPT)
        self._start = self._last = 0
        """Events after `_start` up to `_last` are in memory."""
        self._news = asyncio.Event()
        self._stirred = asyncio.Event()
        self.closed = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the ledger in here."""
        loop = asyncio.get_running_loop()
        self._start = self._last = await in_thread(self._ledger.last_number)

        def hear(_: Event) -> None:
            # The loop ends before the ledger does.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._stirred.set)

        stop = self._ledger.listen(hear)
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            stop()
            self.close()
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    @property
    def last(self) -> int:
        """The number of the newest event that was read."""
        return self._last

    def close(self) -> None:
        """End all streams."""
        self.closed = True
        self._tell()

    async def after(self, number: int) -> AsyncIterator[list[Entry]]:
        """Yield the events after a number as they come, for ever; every few seconds nothing, to look around."""
        looked = time.monotonic()
        while not self.closed:
            news = self._news
            entries = await self._read(number)
            if entries:
                number = entries[-1].number
                yield entries
            if time.monotonic() - looked >= LOOK:
                looked = time.monotonic()
                yield []
            if not entries:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), LOOK)

    async def _read(self, number: int) -> list[Entry]:
        if number >= self._last:
            return []
        if number >= self._start and self._kept and number >= self._kept[0].number - 1:
            newer = itertools.takewhile(lambda entry: entry.number > number, reversed(self._kept))
            return list(newer)[::-1]
        return await in_thread(self._load, number)

    def _load(self, number: int) -> list[Entry]:
        return [
            Entry(n, event.kind, event.run_id, _frame(n, event))
            for n, event in self._ledger.after(number, BATCH)
        ]

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stirred.wait(), POLL)
            self._stirred.clear()
            try:
                while entries := await in_thread(self._load, self._last):
                    self._kept.extend(entries)
                    self._last = entries[-1].number
                    self._tell()
                    # A burst reaches each listener as one write: fifty of them must not hold up the jobs.
                    await asyncio.sleep(GATHER)
            except Exception:
                _log.exception("the ledger could not be followed; it is tried again")
                await asyncio.sleep(POLL)

    def _tell(self) -> None:
        self._news, news = asyncio.Event(), self._news
        news.set()


def _frame(number: int, event: Event) -> bytes:
    """Return a server-sent event; JSON has no line breaks, so its data is one line."""
    return b"id: %d\nevent: %s%s%s\n\n" % (
        number,
        event.kind.encode(),
        DATA,
        event.model_dump_json().encode(),
    )
