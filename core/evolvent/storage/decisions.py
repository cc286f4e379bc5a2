"""What was decided on variants, in the database: tests at the gate, and freezes of evolution."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from evolvent.storage.tables import EvaluationRow, FreezeRow, GateRow, RunRow
from evolvent.types import GateDecision, JsonValue, Split

__all__ = ["DecisionTables"]


class DecisionTables:
    """Reads and writes; every write may be repeated without effect."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def next_gate(self, promising: bool | None = None) -> int:
        """Return the number of the next test at the gate, counted from 1 over the whole archive or in one row."""
        query = select(func.count()).select_from(GateRow)
        if promising is not None:
            query = query.where(func.json_extract(GateRow.decision, "$.promising") == promising)
        with self.engine.connect() as connection:
            return connection.execute(query).scalar_one() + 1

    def add_gate(
        self,
        context: str,
        run_id: str,
        variant: str,
        incumbent: str,
        decision: GateDecision,
        tasks: Sequence[str],
    ) -> None:
        """Store what the gate decided on a variant; a second time changes nothing."""
        with self.engine.begin() as connection:
            connection.execute(
                insert(GateRow)
                .values(
                    context=context,
                    variant=variant,
                    number=decision.number,
                    incumbent=incumbent,
                    accepted=decision.accepted,
                    decision=decision.model_dump(mode="json"),
                    tasks=list(tasks),
                    run_id=run_id,
                    created_at=_now(),
                )
                .on_conflict_do_nothing()
            )

    def gates(self, context: str | None = None, variant: str | None = None) -> list[GateRow]:
        """Return the tests at the gate, in their order."""
        query = select(GateRow).order_by(GateRow.number)
        if context is not None:
            query = query.where(GateRow.context == context)
        if variant is not None:
            query = query.where(GateRow.variant == variant)
        with Session(self.engine) as session:
            return [*session.scalars(query)]

    def refused(self, context: str, incumbent: str) -> list[str]:
        """Return the variants that the gate refused when they were to replace this incumbent, in their order."""
        query = (
            select(GateRow.variant)
            .where(GateRow.context == context, GateRow.incumbent == incumbent, GateRow.accepted.is_(False))
            .order_by(GateRow.number)
        )
        with self.engine.connect() as connection:
            return [*connection.scalars(query)]

    def options_of(self, run_id: str) -> dict[str, JsonValue] | None:
        """Return the options that a run was begun with; None when the run is not there."""
        with self.engine.connect() as connection:
            config = connection.execute(select(RunRow.config).where(RunRow.id == run_id)).scalar()
        return None if config is None else dict(config["options"])

    def chosen_by(self, row: GateRow) -> tuple[dict[str, float], dict[str, float]]:
        """Return the train scores, by task, of a tested variant and of its incumbent as they were before the test."""
        sides = []
        for variant in (row.variant, row.incumbent):
            query = select(EvaluationRow.task_id, EvaluationRow.score).where(
                EvaluationRow.context == row.context,
                EvaluationRow.variant == variant,
                EvaluationRow.split == Split.TRAIN.value,
                EvaluationRow.created_at <= row.created_at,
            )
            with self.engine.connect() as connection:
                sides.append({row.task_id: row.score for row in connection.execute(query)})
        return sides[0], sides[1]

    def freeze(
        self,
        run_id: str,
        reason: str,
        evidence: Mapping[str, JsonValue],
        record: Callable[[int, Connection], object] = lambda _number, _transaction: None,
    ) -> None:
        """Stop evolution until `lift`; while it is stopped, a second reason changes nothing.

        Args:
            run_id: the run.
            reason: why.
            evidence: what shows it.
            record: writes its event in the same transaction; it gets the number of the freeze.
        """
        if self.frozen() is None:
            values = {
                "run_id": run_id,
                "reason": reason,
                "evidence": dict(evidence),
                "created_at": _now(),
            }
            with self.engine.begin() as connection:
                made = connection.execute(insert(FreezeRow).values(**values).returning(FreezeRow.number))
                record(made.scalar_one(), connection)

    def froze(self, run_id: str, **evidence: JsonValue) -> bool:
        """Tell whether a run stopped evolution, lifted since or not, with this among its evidence."""
        query = select(FreezeRow.evidence).where(FreezeRow.run_id == run_id)
        with self.engine.connect() as connection:
            return any(evidence.items() <= found.items() for found in connection.scalars(query))

    def frozen(self) -> FreezeRow | None:
        """Return why evolution is stopped, or None."""
        with Session(self.engine) as session:
            return session.scalars(select(FreezeRow).where(FreezeRow.lifted_at.is_(None))).first()

    def lift(self, because: str) -> bool:
        """Let evolution go on; return whether it was stopped."""
        with self.engine.begin() as connection:
            done = connection.execute(
                update(FreezeRow)
                .where(FreezeRow.lifted_at.is_(None))
                .values(lifted_at=_now(), lifted_because=because)
            )
        return bool(done.rowcount)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
