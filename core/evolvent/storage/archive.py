"""The archive of agent programs in the database: variants, candidates, evaluations, and what was decided on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Table, bindparam, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session, aliased

from evolvent.storage.decisions import DecisionTables
from evolvent.storage.tables import (
    CandidateRow,
    EvaluationRow,
    EventRow,
    RunRow,
    VariantRow,
)
from evolvent.types import Candidate, Evaluation, Split, Usage

__all__ = ["TIMED_OUT", "UNMEASURED", "ArchiveTables", "StoredVariant"]

UNMEASURED = "not measured: "
"""How the reason begins for which a variant is not viable that nothing speaks against."""

_evaluations = EvaluationRow.__table__
assert isinstance(_evaluations, Table)
_KEEP_EVALUATION = insert(_evaluations).on_conflict_do_nothing()

_candidates = CandidateRow.__table__
assert isinstance(_candidates, Table)
_KEEP_CANDIDATE = insert(_candidates)
_CHANGES = (  # built once, as it is asked for each candidate
    select(_candidates.c.key, _candidates.c.status, _candidates.c.change)
    .where(_candidates.c.parent == bindparam("of"), _candidates.c.status != "failed")
    .order_by(_candidates.c.number.desc())
    .limit(bindparam("most"))
)
TIMED_OUT = "timed out"
"""What `improve` says in the evidence of a candidate whose parent's meta agent ran out of time by itself."""
_OF_CANDIDATE = {"key", "parent", "operator", "status", "stage", "reason", "hypothesis", "variant"}


class StoredVariant(NamedTuple):
    """A variant without its evaluations."""

    id: str
    tree: str
    parents: tuple[str, ...]
    generation: int
    run_id: str
    operator: str
    hypothesis: str
    viable: bool = True
    reason: str = ""
    created_at: str = ""


class ArchiveTables(DecisionTables):
    """Reads and writes; every write may be repeated without effect."""

    def add_variants(self, variants: Sequence[StoredVariant]) -> None:
        """Store variants in this order; those that are there stay as they are."""
        if not variants:
            return
        rows = [{**v._asdict(), "parents": list(v.parents), "created_at": _now()} for v in variants]
        with self.engine.begin() as connection:
            connection.execute(insert(VariantRow).on_conflict_do_nothing(index_elements=["id"]), rows)

    def variants(self) -> list[StoredVariant]:
        """Return all variants, oldest first."""
        names = StoredVariant._fields
        query = select(*(getattr(VariantRow, name) for name in names)).order_by(VariantRow.number)
        with self.engine.connect() as connection:
            return [
                StoredVariant(**{**dict(zip(names, row, strict=True)), "parents": tuple(row[2])})
                for row in connection.execute(query)
            ]

    def add_candidates(self, candidates: Sequence[Candidate]) -> None:
        """Store what came of candidates, in this order; those that are there stay as they are.

        Their `evidence` may hold `changed`, the paths of what they changed, and `lines`, the lines that they brought
        and took away.
        """
        if not candidates:
            return
        with self.engine.begin() as connection:
            last = connection.execute(select(func.max(CandidateRow.number))).scalar() or 0
            known = set(
                connection.scalars(
                    select(CandidateRow.key).where(CandidateRow.key.in_([c.key for c in candidates]))
                )
            )
            rows = []
            for number, candidate in enumerate((c for c in candidates if c.key not in known), last + 1):
                evidence = dict(candidate.evidence)
                rows.append(
                    {
                        "number": number,
                        "run_id": candidate.key.rsplit("/", 2)[0],
                        "changed": evidence.pop("changed", []),
                        "change": evidence.pop("lines", ""),
                        "evidence": evidence,
                        "usage": candidate.usage.model_dump(),
                        "created_at": _now(),
                        **candidate.model_dump(include=_OF_CANDIDATE),
                    }
                )
            if rows:
                connection.execute(_KEEP_CANDIDATE, rows)

    def set_viable(self, variant: str, viable: bool, reason: str) -> None:
        """Store whether a variant may be a parent, and why not."""
        with self.engine.begin() as connection:
            connection.execute(
                update(VariantRow).where(VariantRow.id == variant).values(viable=viable, reason=reason)
            )

    def unfinished(self, most: int) -> list[CandidateRow]:
        """Return, of each variant whose last candidate failed, less than `most` times in all, that candidate.

        Nothing speaks against these: the model was down, or a budget spent. Oldest first.
        """
        failed = (
            select(CandidateRow.variant)
            .where(CandidateRow.status == "failed", CandidateRow.variant != "")
            .group_by(CandidateRow.variant)
            .having(func.count() < most)
        )
        later = aliased(CandidateRow)
        followed = select(later.key).where(
            later.variant == CandidateRow.variant, later.number > CandidateRow.number
        )
        query = select(CandidateRow).where(
            CandidateRow.status == "failed", CandidateRow.variant.in_(failed), ~followed.exists()
        )
        with Session(self.engine) as session:
            return [*session.scalars(query.order_by(CandidateRow.number))]

    def timeouts(self, parent: str) -> int:
        """Return how often in a row, up to now, the `improve()` of a program ran out of time."""
        query = select(func.json_extract(CandidateRow.evidence, "$.improve")).where(
            CandidateRow.parent == parent, func.json_extract(CandidateRow.evidence, "$.improve").is_not(None)
        )
        with self.engine.connect() as connection:
            ends = connection.scalars(query.order_by(CandidateRow.number.desc()).limit(20)).all()
        return next((count for count, end in enumerate(ends) if end != TIMED_OUT), len(ends))

    def decide_again(self, candidate: Candidate) -> None:
        """Store that something else came of a candidate after all: a person refused it."""
        with self.engine.begin() as connection:
            connection.execute(
                update(CandidateRow)
                .where(CandidateRow.key == candidate.key)
                .values(status=candidate.status, stage=candidate.stage, reason=candidate.reason)
            )

    def candidates(
        self, run_id: str | None = None, parent: str | None = None, variant: str | None = None, limit: int = 0
    ) -> list[CandidateRow]:
        """Return candidates, oldest first; the newest `limit` of them when it is given."""
        query = select(CandidateRow).order_by(CandidateRow.number.desc())
        for column, value in (
            (CandidateRow.run_id, run_id),
            (CandidateRow.parent, parent),
            (CandidateRow.variant, variant),
        ):
            query = query if value is None else query.where(column == value)
        with Session(self.engine) as session:
            return [*session.scalars(query.limit(limit) if limit else query)][::-1]

    def known_candidates(self, keys: Sequence[str]) -> set[str]:
        """Return which of these candidates are stored."""
        with self.engine.connect() as connection:
            return set(connection.scalars(select(CandidateRow.key).where(CandidateRow.key.in_(keys))))

    def changes(self, parent: str, limit: int) -> list[tuple[str, str, str]]:
        """Return key, status and changed lines of the newest candidates of a parent that did not fail, newest first."""
        with self.engine.connect() as connection:
            rows = connection.execute(_CHANGES, {"of": parent, "most": limit})
            return [(key, status, change) for key, status, change in rows]

    def rejected(self) -> list[tuple[str, str]]:
        """Return key and parent of the candidates that were rejected before they became variants, oldest first."""
        query = select(CandidateRow.key, CandidateRow.parent).where(
            CandidateRow.status == "rejected", CandidateRow.variant == ""
        )
        with self.engine.connect() as connection:
            return [(key, parent) for key, parent in connection.execute(query.order_by(CandidateRow.number))]

    def add_evaluations(self, context: str, run_id: str, evaluations: Sequence[Evaluation]) -> None:
        """Store evaluations in one transaction."""
        if not evaluations:
            return
        rows = [
            {
                "context": context,
                "run_id": run_id,
                "created_at": _now(),
                "variant": e.variant,
                "split": e.split.value,
                "task_id": e.task_id,
                "score": e.score,
                "passed": e.passed,
                "status": e.status,
                "usage": e.usage.model_dump(),
                "failure": {"answer": e.answer, "feedback": e.feedback} if e.feedback or e.answer else None,
                "answered": e.answered,
            }
            for e in evaluations
        ]
        with self.engine.begin() as connection:
            connection.execute(_KEEP_EVALUATION, rows)

    def evaluations(
        self, context: str, split: Split | None = None, variant: str | None = None
    ) -> Iterator[Evaluation]:
        """Yield the evaluations of a context."""
        query = select(
            EvaluationRow.variant,
            EvaluationRow.split,
            EvaluationRow.task_id,
            EvaluationRow.score,
            EvaluationRow.passed,
            EvaluationRow.status,
            EvaluationRow.usage,
            EvaluationRow.failure,
            EvaluationRow.answered,
        ).where(EvaluationRow.context == context)
        if split is not None:
            query = query.where(EvaluationRow.split == split.value)
        if variant is not None:
            query = query.where(EvaluationRow.variant == variant)
        with self.engine.connect() as connection:
            for name, part, task, score, passed, status, usage, failure, answered in connection.execute(
                query
            ):
                yield Evaluation(
                    variant=name,
                    split=Split(part),
                    task_id=task,
                    score=score,
                    passed=passed,
                    status=status,
                    usage=Usage.model_validate(usage),
                    answered=answered,
                    **(failure or {}),
                )

    def train_scores(self, context: str) -> Iterator[tuple[str, str, float, bool, int]]:
        """Yield variant, task, score, whether it passed, and tokens of every train evaluation of a context."""
        used = EvaluationRow.usage
        tokens = func.json_extract(used, "$.input_tokens") + func.json_extract(used, "$.output_tokens")
        query = select(
            EvaluationRow.variant, EvaluationRow.task_id, EvaluationRow.score, EvaluationRow.passed, tokens
        ).where(EvaluationRow.context == context, EvaluationRow.split == Split.TRAIN.value)
        with self.engine.connect() as connection:
            for row in connection.execute(query):
                yield (row[0], row[1], row[2], row[3], row[4])

    def answers(self, context: str, variant: str) -> dict[str, str]:
        """Return the digests of what a variant answered on train tasks, by task; empty where one is not known."""
        query = select(EvaluationRow.task_id, EvaluationRow.answered).where(
            EvaluationRow.context == context,
            EvaluationRow.variant == variant,
            EvaluationRow.split == Split.TRAIN.value,
        )
        with self.engine.connect() as connection:
            return {row.task_id: row.answered for row in connection.execute(query)}

    def contexts(self) -> list[str]:
        """Return the contexts that train tasks were tried under, the newest last.

        Sealed tasks alone, as `archive evaluate` tries them, say nothing that an archive is ordered by.
        """
        query = select(EvaluationRow.context).where(EvaluationRow.split == Split.TRAIN.value)
        query = query.group_by(EvaluationRow.context)
        with self.engine.connect() as connection:
            return [*connection.scalars(query.order_by(func.max(EvaluationRow.created_at)))]

    def spent(self, run_id: str | None = None, since: str = "") -> Usage:
        """Return what evolution cost: a run's proposals and evaluations, or everybody's since a time (ISO 8601)."""
        total = Usage()
        for row in (CandidateRow, EvaluationRow):
            fields = ("input_tokens", "output_tokens", "model_calls", "dollars", "seconds")
            query = select(*(func.sum(func.json_extract(row.usage, f"$.{field}")) for field in fields))
            if run_id is not None:
                query = query.where(row.run_id == run_id)
            if since:
                query = query.where(row.created_at >= since)
            with self.engine.connect() as connection:
                sums = connection.execute(query).one()
            total += Usage(**{field: value or 0 for field, value in zip(fields, sums, strict=True)})
        return total

    def worked(self, run_id: str | None = None, since: str = "") -> float:
        """Return the seconds of finished nodes: of a run, or of all evolution since a time (ISO 8601)."""
        seconds = func.sum(func.json_extract(EventRow.data, "$.seconds"))
        query = select(seconds).where(EventRow.kind == "node.finished")
        if run_id is None:
            runs = select(RunRow.id).where(RunRow.job == "evolve")
            query = query.where(EventRow.run_id.in_(runs), EventRow.at >= since)
        else:
            query = query.where(EventRow.run_id == run_id)
        with self.engine.connect() as connection:
            return float(connection.execute(query).scalar() or 0.0)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
