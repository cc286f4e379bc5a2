"""Whether evolution gets better: the tests at the gate, and what was promoted."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evolvent.evolution.archive import Archive
from evolvent.evolution.intervals import score_interval
from evolvent.storage import Ledger
from evolvent.storage.tables import GateRow
from evolvent.types import GateDecision, Split, Variant, VariantPromoted

__all__ = ["GateTest", "Promotion", "Series", "gate_tests", "promotions", "series_of"]


class Series(NamedTuple):
    """The tests of one context; scores of different contexts do not compare."""

    context: str
    tests: int
    first: str
    """When the first was; ISO 8601."""
    last: str


class GateTest(NamedTuple):
    """One candidate beside the program that was active, on the gate tasks."""

    number: int
    variant: str
    incumbent: str
    at: str
    decision: GateDecision

    @property
    def low(self) -> float:
        """Lower end of the candidate's score as the interval of the difference has it, at least 0."""
        return max(0.0, self.decision.comparison.incumbent + self.decision.comparison.low)

    @property
    def high(self) -> float:
        """Upper end of the same, at most 1."""
        return min(1.0, self.decision.comparison.incumbent + self.decision.comparison.high)


class Promotion(NamedTuple):
    """A change of the active program."""

    event: VariantPromoted
    sealed: float | None
    """Mean score on the sealed tasks; None: not measured in this context."""
    interval: tuple[float, float] | None
    trials: int


def series_of(archive: Archive) -> list[Series]:
    """Return the contexts that have tests, the newest first."""
    query = (
        select(GateRow.context, func.count(), func.min(GateRow.created_at), func.max(GateRow.created_at))
        .group_by(GateRow.context)
        .order_by(func.max(GateRow.created_at).desc())
    )
    with archive.tables.engine.connect() as connection:
        return [Series(*row) for row in connection.execute(query)]


def gate_tests(archive: Archive, context: str, newest: int) -> list[GateTest]:
    """Return the newest tests of a context and all that were accepted, in their order."""
    known = select(GateRow).where(GateRow.context == context)
    with Session(archive.tables.engine) as session:
        rows = {
            row.number: row
            for query in (
                known.order_by(GateRow.number.desc()).limit(newest),
                known.where(GateRow.accepted).order_by(GateRow.number.desc()).limit(newest),
            )
            for row in session.scalars(query)
        }
    return [_test(rows[number]) for number in sorted(rows)]


def promotions(ledger: Ledger, archive: Archive, context: str, newest: int) -> list[Promotion]:
    """Return the newest changes of the active program, the newest first, with their sealed scores."""
    found = []
    for event in reversed(ledger.newest("variant.promoted", newest)):
        if isinstance(event, VariantPromoted):
            scores = [e.score for e in archive.tables.evaluations(context, Split.SEALED, event.variant)]
            mean = sum(scores) / len(scores) if scores else None
            seen = Variant(id=event.variant, trials=len(scores), score=mean or 0.0)
            found.append(Promotion(event, mean, score_interval(seen) if scores else None, len(scores)))
    return found


def _test(row: GateRow) -> GateTest:
    decision: dict[str, Any] = row.decision
    return GateTest(
        row.number, row.variant, row.incumbent, row.created_at, GateDecision.model_validate(decision)
    )
