"""What the broker answered, kept so that a resumed guest hears the same again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, Table, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from evolvent.storage.ledger import Ledger
from evolvent.storage.tables import JournalRow
from evolvent.types import Event, Exchange, Usage

__all__ = ["Journal", "exchanges_of", "forget_sessions"]

_journal = JournalRow.__table__
assert isinstance(_journal, Table)
_RECORD = insert(_journal).on_conflict_do_nothing()
_RECALL = select(_journal.c.sequence, _journal.c.request_hash, _journal.c.response).where(
    _journal.c.session_id == bindparam("session")
)


class Journal:
    """The answered requests of one guest session."""

    def __init__(self, engine: Engine, ledger: Ledger, session_id: str) -> None:
        self.session_id = session_id
        self._engine = engine
        self._ledger = ledger
        with engine.connect() as connection:
            rows = connection.execute(_RECALL, {"session": session_id})
            self._known = {sequence: (request_hash, response) for sequence, request_hash, response in rows}

    def recall(self, sequence: int, request_hash: str) -> dict[str, Any] | None:
        """Return the stored response to a request, or None when it was never answered.

        Raises:
            LookupError: another request was answered at this place; see `cut`.
        """
        if sequence not in self._known:
            return None
        stored, response = self._known[sequence]
        if stored != request_hash:
            raise LookupError(sequence)
        return dict(response)

    def cut(self, sequence: int) -> None:
        """Forget the answers from `sequence` on."""
        with self._engine.begin() as connection:
            connection.execute(
                delete(JournalRow).where(
                    JournalRow.session_id == self.session_id, JournalRow.sequence >= sequence
                )
            )
        self._known = {n: entry for n, entry in self._known.items() if n < sequence}

    def record(
        self,
        sequence: int,
        request_hash: str,
        response: dict[str, Any],
        event: Event,
        request: dict[str, Any] | None = None,
    ) -> None:
        """Store an answer and its ledger entry in one transaction.

        Args:
            sequence: the place in the session.
            request_hash: of method and parameters.
            response: what the guest will hear.
            event: the ledger entry.
            request: `method` and `params`, for the episode.
        """
        row = {
            "session_id": self.session_id,
            "sequence": sequence,
            "request_hash": request_hash,
            "response": response,
            "request": request,
        }
        with self._engine.begin() as connection:
            connection.execute(_RECORD, row)
            new = self._ledger.append(event, connection)
        if new:
            self._ledger.tell(event)
        self._known[sequence] = (request_hash, response)


def exchanges_of(engine: Engine, session_id: str) -> list[Exchange]:
    """Return what was asked and answered in a session and in those that a strategy opened inside it, in order."""
    inside = (JournalRow.session_id >= f"{session_id}/") & (JournalRow.session_id < f"{session_id}0")
    query = (
        select(JournalRow.session_id, JournalRow.sequence, JournalRow.request, JournalRow.response)
        .where((JournalRow.session_id == session_id) | inside)
        .order_by(JournalRow.session_id, JournalRow.sequence)
    )
    with engine.connect() as connection:
        return [_exchange(*row) for row in connection.execute(query)]


def _exchange(
    session_id: str, sequence: int, request: dict[str, Any] | None, response: dict[str, Any]
) -> Exchange:
    asked = request or {"method": "unknown", "params": {}}
    error = response.get("error")
    return Exchange(
        session_id=session_id,
        sequence=sequence,
        method=asked["method"],
        params=asked["params"],
        result=response.get("result"),
        error=f"{error['kind']}: {error['message']}" if error else None,
        usage=Usage.model_validate(response["usage"]),
    )


def forget_sessions(engine: Engine, prefix: str) -> None:
    """Delete the journals of sessions below a prefix that ends with `/`: what they led to is stored."""
    below = (JournalRow.session_id >= prefix) & (JournalRow.session_id < f"{prefix[:-1]}0")
    with engine.begin() as connection:
        connection.execute(delete(JournalRow).where(below))
