"""The append-only record of what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sqlalchemy import Connection, Engine, Table, func, select
from sqlalchemy.dialects.sqlite import insert

from evolvent.storage.tables import EventRow
from evolvent.types import Event, event_adapter

__all__ = ["Ledger"]

Listener = Callable[[Event], None]

_events = EventRow.__table__
assert isinstance(_events, Table)
# Built once: on the hot path SQLAlchemy then only binds values.
_APPEND = insert(_events).on_conflict_do_nothing(index_elements=["key"])


class Ledger:
    """Appends events once each and tells listeners."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._listeners: list[Listener] = []

    def append(self, event: Event, transaction: Connection | None = None) -> bool:
        """Write an event; a key that is already there changes nothing.

        Args:
            event: what happened.
            transaction: an open transaction to join; call `tell` after its commit.

        Returns:
            Whether it was new.
        """
        row = {
            "key": event.key,
            "run_id": event.run_id,
            "kind": event.kind,
            "at": event.at.isoformat(timespec="milliseconds"),
            "data": event.model_dump(mode="json"),
        }
        if transaction is not None:
            return bool(transaction.execute(_APPEND, row).rowcount)
        with self._engine.begin() as connection:
            new = bool(connection.execute(_APPEND, row).rowcount)
        if new:
            self.tell(event)
        return new

    def append_all(self, events: Iterable[Event]) -> None:
        """Write events as `append` writes one, all in one transaction."""
        given = list(events)
        if not given:
            return
        with self._engine.begin() as connection:
            new = [event for event in given if self.append(event, connection)]
        for event in new:
            self.tell(event)

    def has(self, key: str) -> bool:
        """Tell whether an event with this key was written."""
        with self._engine.connect() as connection:
            return connection.execute(select(EventRow.id).where(EventRow.key == key)).first() is not None

    def keys(self, beginning: str, ending: str = "") -> list[str]:
        """Return the keys of events that begin and end so, in alphabetical order."""
        # The index finds the beginning; no key has a character beyond this one there.
        within = (EventRow.key >= beginning) & (EventRow.key < f"{beginning}\U0010ffff")
        query = select(EventRow.key).where(within).order_by(EventRow.key)
        with self._engine.connect() as connection:
            return [key for (key,) in connection.execute(query) if key.endswith(ending)]

    def tell(self, event: Event) -> None:
        """Let the listeners hear of an event that is written."""
        for listener in list(self._listeners):
            listener(event)

    def events(self, run_id: str | None = None, kind: str | None = None) -> Iterator[Event]:
        """Yield the events, oldest first; of one run when `run_id` is given, of one kind when `kind` is."""
        query = select(EventRow.data).order_by(EventRow.id)
        if run_id is not None:
            query = query.where(EventRow.run_id == run_id)
        if kind is not None:
            query = query.where(EventRow.kind == kind)
        with self._engine.connect() as connection:
            for (data,) in connection.execute(query):
                yield event_adapter.validate_python(data)

    def newest(self, kind: str | None = None, limit: int = 10_000) -> list[Event]:
        """Return the newest events, oldest first; of one kind when `kind` is given."""
        query = select(EventRow.data).order_by(EventRow.id.desc()).limit(limit)
        if kind is not None:
            query = query.where(EventRow.kind == kind)
        with self._engine.connect() as connection:
            rows = [data for (data,) in connection.execute(query)]
        return [event_adapter.validate_python(data) for data in reversed(rows)]

    def after(
        self, number: int, limit: int = 1000, run_id: str | None = None, kind: str | None = None
    ) -> list[tuple[int, Event]]:
        """Return the events after a number, each with its own, oldest first.

        Numbers only grow, with gaps; SQLite has one writer at a time, so none appears below one that was seen.

        Args:
            number: of the last event that is known; 0: from the beginning.
            limit: how many at most.
            run_id: only of this run.
            kind: only of this kind.
        """
        query = select(EventRow.id, EventRow.data).where(EventRow.id > number).order_by(EventRow.id)
        if run_id is not None:
            query = query.where(EventRow.run_id == run_id)
        if kind is not None:
            query = query.where(EventRow.kind == kind)
        with self._engine.connect() as connection:
            rows = connection.execute(query.limit(limit)).all()
        return [(row[0], event_adapter.validate_python(row[1])) for row in rows]

    def last_number(self) -> int:
        """Return the number of the newest event; 0 when there is none."""
        with self._engine.connect() as connection:
            return connection.execute(select(func.max(EventRow.id))).scalar() or 0

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every new event, in the thread that appends; returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
