"""Episodes and lessons of one home, and what keeps them in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Engine

from evolvent.memory.background import Background
from evolvent.memory.consolidation import ConsolidationPolicy, ConsolidationStep, consolidate
from evolvent.memory.episodes import Episodes
from evolvent.memory.lessons import Lessons, SearchIndex, Times
from evolvent.memory.store import LessonStore
from evolvent.settings import Settings
from evolvent.storage import Ledger, Runs
from evolvent.types import Attempt, Exchange, MemoryConsolidated

__all__ = ["Memory"]


class Memory:
    """The memory of a home."""

    def __init__(self, engine: Engine, index: SearchIndex, ledger: Ledger, settings: Settings) -> None:
        """Open the memory.

        Args:
            engine: the database; the truth.
            index: an index of lessons that can be rebuilt from it.
            ledger: told of each change.
            settings: how long claims are believed, and when consolidation starts.
        """
        self._engine = engine
        self._ledger = ledger
        self._policy = ConsolidationPolicy()
        self._runs = Runs(engine)
        self.episodes = Episodes(engine)
        self.store = LessonStore(engine, ledger)
        self._background = Background(lambda stop: self.consolidate(stop=stop), settings.consolidate_after)
        times = Times(
            claim=settings.claim_seconds,
            claim_max=max(settings.claim_seconds, settings.claim_max_seconds),
            unproven=settings.unproven_days * 86_400,
        )
        self.lessons = Lessons(self.store, index, times=times, on_kept=self._background.count)

    def keep_attempt(self, attempt: Attempt, *, counts: bool) -> None:
        """Keep a judged attempt with its episode, in one transaction, then let it speak for and against lessons.

        Args:
            attempt: the judged attempt.
            counts: whether lessons may learn from it; what decides on gate and sealed tasks must not.
        """
        exchanges = self.episodes.exchanges(attempt.id)
        with self._engine.begin() as transaction:
            self._runs.keep_attempt(attempt, transaction)
            self.episodes.keep(attempt, exchanges, transaction)
        if counts:
            self.lessons.judged(attempt, exchanges)

    def exchanges(self, attempt_ids: Sequence[str]) -> list[Exchange]:
        """Return all that some sessions asked and heard."""
        return [exchange for found in attempt_ids for exchange in self.episodes.exchanges(found)]

    def consolidate(
        self, run_id: str = "", key: str = "", stop: Callable[[], bool] = lambda: False
    ) -> list[ConsolidationStep]:
        """Merge, expire and forget, and say so in the ledger.

        Args:
            run_id: the job that asks for it.
            key: names this pass; one that ended under the same name is not made again.
            stop: asked before each step.
        """
        if key and self._ledger.has(key):
            return []
        done = consolidate(self.store, self._policy, run_id=run_id, stop=stop)
        if (done or key) and not stop():
            count = {a: sum(step.action == a for step in done) for a in ("merge", "expire", "forget")}
            self._ledger.append(
                MemoryConsolidated(
                    key=key or f"consolidated:{self.store.clock().isoformat()}",
                    run_id=run_id,
                    merged=count["merge"],
                    expired=count["expire"],
                    forgotten=count["forget"],
                )
            )
        return done

    def paused(self) -> AbstractContextManager[None]:
        """Start nothing in the background in here."""
        return self._background.paused()

    def close(self) -> None:
        """Stop and wait for the background. May be called twice."""
        self._background.close()
