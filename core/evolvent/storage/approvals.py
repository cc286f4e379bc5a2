"""What people were asked and what they said, and which calls with effects were begun."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import ColumnElement, Engine, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from evolvent.errors import IntegrityError, UnknownName, UsageError
from evolvent.storage.ledger import Ledger
from evolvent.storage.tables import ApprovalRow, EffectRow
from evolvent.types import ApprovalAnswered, ApprovalAsked, ApprovalRequest

__all__ = ["Approvals", "Effects"]


class Approvals:
    """Questions to people; every write is idempotent by id."""

    def __init__(self, engine: Engine, ledger: Ledger) -> None:
        self._engine, self._ledger = engine, ledger

    def ask(self, request: ApprovalRequest) -> tuple[ApprovalRequest, bool]:
        """Record a question, or find it as it stands when it was asked before.

        Returns:
            The question, and whether it is new.

        Raises:
            IntegrityError: something else was asked under this id.
        """
        values = request.model_dump(mode="json", exclude={"verdict", "answer", "asked_at"})
        asked = ApprovalAsked(
            key=f"asked:{request.id}",
            run_id=request.run_id,
            approval_id=request.id,
            subject_kind=request.kind,
            reason=request.reason[:500],
        )
        with self._engine.begin() as connection:
            connection.execute(insert(ApprovalRow).values(**values, asked_at=_now()).on_conflict_do_nothing())
            new = self._ledger.append(asked, connection)
        if new:
            self._ledger.tell(asked)
        stored = self.get(request.id)
        same = ("run_id", "session_id", "kind", "subject")
        if any(getattr(stored, name) != getattr(request, name) for name in same):
            raise IntegrityError(f"the question {request.id!r} was asked before about something else")
        return stored, new

    def answer(
        self, approval_id: str, verdict: Literal["approve", "reject"], answer: str = ""
    ) -> ApprovalRequest:
        """Record what a person said; the first answer stands.

        Raises:
            UnknownName: nothing was asked under this id.
            UsageError: it was answered otherwise before.
        """
        answered = ApprovalAnswered(
            key=f"answered:{approval_id}",
            run_id=self.get(approval_id).run_id,
            approval_id=approval_id,
            verdict=verdict,
            answer=answer[:500],
        )
        with self._engine.begin() as connection:
            connection.execute(
                update(ApprovalRow)
                .where(ApprovalRow.id == approval_id, ApprovalRow.verdict.is_(None))
                .values(verdict=verdict, answer=answer[:2000], answered_at=_now())
            )
            new = self._ledger.append(answered, connection)
        if new:
            self._ledger.tell(answered)
        stands = self.get(approval_id)
        if stands.verdict != verdict:
            raise UsageError(f"the question {approval_id!r} was already answered: {stands.verdict}")
        return stands

    def get(self, approval_id: str) -> ApprovalRequest:
        """Return a question by its id or a unique beginning of it.

        Raises:
            UnknownName: there is none.
        """
        with Session(self._engine) as session:
            row = session.get(ApprovalRow, approval_id)
            if row is None:
                approval_id = approval_id or "(no id)"
                query = select(ApprovalRow).where(ApprovalRow.id.startswith(approval_id, autoescape=True))
                rows = list(session.scalars(query.limit(2)))
                if len(rows) != 1:
                    known = session.scalars(
                        select(ApprovalRow.id).where(ApprovalRow.verdict.is_(None)).limit(20)
                    )
                    raise UnknownName("question", approval_id, known, "See `evolvent approvals list`.")
                row = rows[0]
            return _request(row)

    def list(
        self, run_id: str | None = None, *, pending: bool = True, limit: int = 200
    ) -> list[ApprovalRequest]:
        """Return questions, oldest first; those that nobody answered when `pending`."""
        query = select(ApprovalRow).order_by(ApprovalRow.asked_at, ApprovalRow.id).limit(limit)
        if run_id is not None:
            query = query.where(ApprovalRow.run_id == run_id)
        if pending:
            query = query.where(ApprovalRow.verdict.is_(None))
        with Session(self._engine) as session:
            return [_request(row) for row in session.scalars(query)]

    def decided(self, limit: int) -> Sequence[ApprovalRequest]:
        """Return questions that were answered, those that were asked last first."""
        query = select(ApprovalRow).where(ApprovalRow.verdict.is_not(None))
        query = query.order_by(ApprovalRow.asked_at.desc(), ApprovalRow.id).limit(limit)
        with Session(self._engine) as session:
            return [_request(row) for row in session.scalars(query)]

    def pending(self) -> int:
        """Return how many questions nobody has answered."""
        query = select(func.count()).select_from(ApprovalRow).where(ApprovalRow.verdict.is_(None))
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def answered(self, session_id: str) -> int:
        """Return how many questions of a session, and of those that it began, were answered."""
        mine = ApprovalRow.session_id
        query = select(func.count()).where(
            or_(mine == session_id, mine.startswith(f"{session_id}/", autoescape=True)),
            ApprovalRow.verdict.is_not(None),
        )
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())


class Effects:
    """Calls that change something outside: begun before, ended after, so that a crash in between shows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begun(self, place: str) -> int:
        """Return how often a call at a place of a session was begun."""
        return self._count(EffectRow.id.startswith(f"{place}#", autoescape=True))

    def begun_in(self, session_id: str) -> int:
        """Return how many calls of a session were begun."""
        return self._count(EffectRow.id.startswith(f"{session_id}:", autoescape=True))

    def begin(self, place: str, run_id: str, tool: str) -> None:
        """Record that a call is about to be made."""
        row = {"id": f"{place}#{self.begun(place)}", "run_id": run_id, "tool": tool[:200]}
        with self._engine.begin() as connection:
            connection.execute(insert(EffectRow).values(**row))

    def _count(self, condition: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(EffectRow).where(condition)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())


def _request(row: ApprovalRow) -> ApprovalRequest:
    names = ("id", "run_id", "session_id", "kind", "subject", "reason", "asked_at", "verdict", "answer")
    return ApprovalRequest.model_validate({name: getattr(row, name) for name in names})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
