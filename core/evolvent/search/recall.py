"""Is what proves right among what was offered? Measured all the time, from what solves did.

Each judged attempt says what the library offered, by rank, and which skills' answers passed. From the attempts with
a proven skill follow recall@k and the mean reciprocal rank. A library of which nothing is ever offered is an alarm:
the most common way in which a skill library silently does nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Engine, select
from sqlalchemy.dialects.sqlite import insert

from evolvent.storage import Ledger
from evolvent.storage.tables import RetrievalRow
from evolvent.types import Frozen, RetrievalAlarm, digest

__all__ = ["Labelled", "RecallReport", "Retrievals"]

QUERY_CHARS = 4_000


class Labelled(Frozen):
    """A question and the skills of which one is right."""

    query: str
    right: tuple[str, ...]


class RecallReport(Frozen):
    """How well retrieval did over the newest judged attempts."""

    judged: int
    """Attempts that were judged while the library was not empty."""
    offered: int
    """Of these, attempts that were offered any skill."""
    proven: int
    """Attempts in which a skill's answer passed."""
    recall: dict[int, float]
    """k -> share of the proven attempts whose skill was among the first k that were offered for the question."""
    mrr: float
    """Mean reciprocal rank of the proven skill."""
    dry: int
    """Newest judged attempts in a row to which no skill was offered."""


class Retrievals:
    """The table of what was offered.

    Args:
        engine: the database.
        ledger: gets the alarm.
        alarm_after: judged attempts in a row without any offered skill that raise the alarm.
    """

    def __init__(self, engine: Engine, ledger: Ledger, alarm_after: int = 50) -> None:
        self._engine, self._ledger, self._alarm_after = engine, ledger, alarm_after

    def keep(
        self,
        attempt_id: str,
        run_id: str,
        query: str,
        *,
        offered: Sequence[str],
        library: int,
        judged: bool,
        proven: Sequence[str],
    ) -> None:
        """Store one attempt; a second time with the same id changes nothing.

        Args:
            attempt_id: the attempt.
            run_id: its run.
            query: the question; its first 4,000 characters are kept, so that retrieval can be tuned on it. Empty for
                tasks that only measure.
            offered: names of skills, best first.
            library: how many skills could have been offered.
            judged: whether there is a verdict.
            proven: the skills whose answer passed.
        """
        row = {
            "attempt_id": attempt_id,
            "run_id": run_id,
            "query": query[:QUERY_CHARS],
            "query_hash": digest(query),
            "library": library,
            "offered": list(offered),
            "judged": judged,
            "proven": list(proven),
        }
        with self._engine.begin() as connection:
            connection.execute(insert(RetrievalRow).values(row).on_conflict_do_nothing())
        if judged and library and not offered:
            self._raise_alarm(run_id)

    def report(self, window: int = 500, ks: Sequence[int] = (1, 3, 5)) -> RecallReport:
        """Return the figures over the newest `window` judged attempts with a library that was not empty."""
        rows = self._newest(window)
        ranks = []
        for offered, proven, _ in rows:
            if proven:
                found = [offered.index(name) + 1 for name in proven if name in offered]
                ranks.append(min(found, default=0))
        total = len(ranks) or 1
        return RecallReport(
            judged=len(rows),
            offered=sum(bool(offered) for offered, _, _ in rows),
            proven=len(ranks),
            recall={k: sum(0 < rank <= k for rank in ranks) / total for k in ks},
            mrr=sum(1.0 / rank for rank in ranks if rank) / total,
            dry=_dry(rows),
        )

    def labelled(self, limit: int = 2_000, since: datetime | None = None) -> list[Labelled]:
        """Return the newest questions with a proven skill, oldest first; of the same question the newest proof.

        Args:
            limit: judged attempts that are looked at.
            since: only attempts after this time.
        """
        newest = self._newest(limit, since)
        proofs = {query: tuple(proven) for _, proven, query in reversed(newest) if proven and query}
        return [Labelled(query=query, right=right) for query, right in proofs.items()]

    def unhelped(self, limit: int = 2_000, since: datetime | None = None) -> list[Labelled]:
        """Return the newest questions that were offered skills of which none ever proved right, oldest first.

        They stand for questions that no skill fits. Those that were offered nothing are left out: nothing could prove
        right for them, and a threshold that is too high would find itself confirmed.

        Args:
            limit: judged attempts that are looked at.
            since: only attempts after this time.
        """
        newest = self._newest(limit)
        proven = {query for _, right, query in newest if right}
        later = newest if since is None else self._newest(limit, since)
        queries = [
            query for offered, _, query in reversed(later) if offered and query and query not in proven
        ]
        return [Labelled(query=query, right=()) for query in dict.fromkeys(queries)]

    def alarming(self) -> bool:
        """Whether the alarm stands: it ends by itself with the next attempt that is offered a skill."""
        return _dry(self._newest(self._alarm_after)) >= self._alarm_after

    def _raise_alarm(self, run_id: str) -> None:
        """Write the alarm once for each streak: exactly when the streak gets long enough."""
        if _dry(self._newest(self._alarm_after + 1)) == self._alarm_after:
            key = f"retrieval-alarm:{run_id}"
            self._ledger.append(RetrievalAlarm(key=key, run_id=run_id, attempts=self._alarm_after))

    def _newest(self, limit: int, since: datetime | None = None) -> list[tuple[list[str], list[str], str]]:
        query = (
            select(RetrievalRow.offered, RetrievalRow.proven, RetrievalRow.query)
            .where(RetrievalRow.judged, RetrievalRow.library > 0)
            .order_by(RetrievalRow.created_at.desc(), RetrievalRow.attempt_id.desc())
            .limit(limit)
        )
        if since is not None:
            stamp = since.astimezone(UTC).isoformat(timespec="milliseconds")
            query = query.where(RetrievalRow.created_at > stamp)
        with self._engine.connect() as connection:
            return [(offered, proven, text) for offered, proven, text in connection.execute(query)]


def _dry(rows: Sequence[tuple[list[str], list[str], str]]) -> int:
    return next((n for n, (offered, _, _) in enumerate(rows) if offered), len(rows))
