"""Threads of one process that write to the same SQLite file take turns, in the order in which they came.

SQLite lets a writer that finds the file locked sleep for up to a tenth of a second and look again, and whoever looks
at the right moment is next: beside busy writers, one can wait for most of a second. Processes still wait so for each
other.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections import deque
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from sqlalchemy import Engine, event

__all__ = ["Turns", "take_turns", "turn_taking"]

WAIT_SECONDS = 30.0
"""After this time a writer leaves the waiting to SQLite, which then says that the database is locked."""

_WRITES = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)
"""The statements before which Python's `sqlite3` begins a transaction."""


class Turns:
    """A lock that is handed on in the order of arrival, and by any thread."""

    def __init__(self) -> None:
        # Reentrant, because the garbage collector may end a transaction that nobody has any more.
        self._guard = threading.RLock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    def take(self, seconds: float) -> bool:
        """Wait for a turn for some seconds at most, and return whether it came."""
        called = threading.Lock()
        called.acquire()
        with self._guard:
            if not self._taken:
                self._taken = True
                return True
            self._waiting.append(called)
        try:
            if called.acquire(timeout=seconds):
                return True
        except BaseException:
            if not self._leave(called):
                self.give()
            raise
        return not self._leave(called)

    def give(self) -> None:
        """Hand the turn to whoever has waited longest."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False

    def _leave(self, called: threading.Lock) -> bool:
        """Stop waiting; False: the turn came in the meantime."""
        with self._guard:
            if called in self._waiting:
                self._waiting.remove(called)
                return True
            return False


class TurnTaking(sqlite3.Connection):
    """A connection that has the turn of its file from its first writing statement to the end of the transaction."""

    def __init__(self, *args: Any, turns: Turns, **options: Any) -> None:
        super().__init__(*args, **options)
        self._turns = turns
        self._mine = False

    def take_turn(self) -> None:
        """Wait until the other threads' transactions that came first have ended."""
        if not self._mine and not self.in_transaction:
            self._mine = self._turns.take(WAIT_SECONDS)

    def commit(self) -> None:
        """See `sqlite3.Connection.commit`."""
        try:
            super().commit()
        finally:
            self._end()

    def rollback(self) -> None:
        """See `sqlite3.Connection.rollback`."""
        try:
            super().rollback()
        finally:
            self._end()

    def close(self) -> None:
        """See `sqlite3.Connection.close`."""
        try:
            super().close()
        finally:
            self._end()

    def _end(self) -> None:
        if self._mine:
            self._mine = False
            self._turns.give()


_turns: WeakValueDictionary[Path, Turns] = WeakValueDictionary()
_guard = threading.Lock()


def turn_taking(path: Path) -> partial[TurnTaking]:
    """Return what makes connections to a file, for `sqlite3.connect(factory=...)`."""
    key = path.resolve()
    with _guard:
        turns = _turns.get(key)
        if turns is None:
            turns = _turns[key] = Turns()
    return partial(TurnTaking, turns=turns)


def take_turns(engine: Engine) -> None:
    """Have the transactions of an engine whose connections are `turn_taking` wait for their turn."""
    event.listen(engine, "before_cursor_execute", _before)


def _before(connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
    if _WRITES.match(statement):
        connection.connection.dbapi_connection.take_turn()
