"""Runs and attempts in the database."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Update, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from evolvent.errors import UnknownName
from evolvent.storage.tables import AttemptRow, RunRow
from evolvent.types import Attempt

__all__ = ["Runs", "cancellation"]


class Runs:
    """What was run, with which outcome; every write is idempotent by id."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def start(
        self, run_id: str, job: str, title: str, config: dict[str, Any], parent_id: str | None = None
    ) -> None:
        """Record that a run began; does nothing if it is there."""
        with self.engine.begin() as connection:
            connection.execute(
                insert(RunRow)
                .values(id=run_id, parent_id=parent_id, job=job, title=title, config=config, status="running")
                .on_conflict_do_nothing()
            )

    def finish(self, run_id: str, status: str, result: dict[str, Any]) -> None:
        """Record the outcome of a run."""
        with self.engine.begin() as connection:
            connection.execute(
                update(RunRow)
                .where(RunRow.id == run_id)
                .values(
                    status=status,
                    result=result,
                    finished_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
                )
            )

    def wait(self, run_id: str) -> None:
        """Record that a run waits for a person."""
        with self.engine.begin() as connection:
            connection.execute(
                update(RunRow).where(RunRow.id == run_id, RunRow.result.is_(None)).values(status="waiting")
            )

    def find(self, run_id: str) -> RunRow | None:
        """Return a run, or None."""
        with Session(self.engine) as session:
            return session.get(RunRow, run_id)

    def get(self, run_id: str) -> RunRow:
        """Return a run by its id or a unique beginning of it.

        Raises:
            UnknownName: no run has this id.
        """
        with Session(self.engine) as session:
            query = select(RunRow).where(
                RunRow.id.startswith(run_id, autoescape=True), RunRow.parent_id.is_(None)
            )
            row = session.get(RunRow, run_id) or _only(list(session.scalars(query.limit(2))))
            if row is None:
                recent = session.scalars(
                    select(RunRow.id)
                    .where(RunRow.parent_id.is_(None))
                    .order_by(RunRow.created_at.desc())
                    .limit(20)
                )
                raise UnknownName("run", run_id, recent, "See `evolvent runs list`.")
            return row

    def list(self, limit: int = 50, parent_id: str | None = None, offset: int = 0) -> Sequence[RunRow]:
        """Return runs, newest first; the parts of a job when `parent_id` is given."""
        query = select(RunRow).where(RunRow.parent_id == parent_id).order_by(RunRow.created_at.desc())
        with Session(self.engine) as session:
            return [*session.scalars(query.limit(limit).offset(offset))]

    def unfinished(self, job: str, config: dict[str, Any]) -> RunRow | None:
        """Return the newest unfinished run of a job with exactly this configuration."""
        return next((row for row in self.unfinished_of(job) if row.config == config), None)

    def unfinished_of(self, job: str) -> Sequence[RunRow]:
        """Return the unfinished runs of a job, newest first."""
        query = (
            select(RunRow)
            .where(RunRow.job == job, RunRow.result.is_(None), RunRow.parent_id.is_(None))
            .order_by(RunRow.created_at.desc())
        )
        with Session(self.engine) as session:
            return [*session.scalars(query)]

    def keep_attempt(self, attempt: Attempt, transaction: Connection | None = None) -> None:
        """Store an attempt; a second time with the same id changes nothing.

        Args:
            attempt: the judged attempt.
            transaction: an open transaction to join.
        """
        row = insert(AttemptRow).values(
            id=attempt.id,
            run_id=attempt.run_id,
            task_id=attempt.task.id,
            status=attempt.status,
            score=attempt.verdict.score if attempt.verdict else None,
            data=attempt.model_dump(mode="json"),
        )
        with nullcontext(transaction) if transaction else self.engine.begin() as connection:
            connection.execute(row.on_conflict_do_nothing())

    def attempts(self, run_id: str) -> Sequence[Attempt]:
        """Return the attempts of a run, in order."""
        query = select(AttemptRow.data).where(AttemptRow.run_id == run_id).order_by(AttemptRow.created_at)
        with self.engine.connect() as connection:
            return [Attempt.model_validate(data) for (data,) in connection.execute(query)]


def _only(rows: Sequence[RunRow]) -> RunRow | None:
    return rows[0] if len(rows) == 1 else None


def cancellation(run_id: str) -> Update:
    """Return the statement that a run was cancelled before it had a result."""
    return update(RunRow).where(RunRow.id == run_id, RunRow.result.is_(None)).values(status="cancelled")
