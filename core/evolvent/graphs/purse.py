"""What an evolution run may spend: in a generation, in all, and on one day; in tokens, dollars and seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from evolvent.errors import ModelCallError
from evolvent.storage.archive import ArchiveTables
from evolvent.types import EvolveOptions, Spent, Usage

__all__ = ["OutOfBudget", "Purse"]


class OutOfBudget(ModelCallError):
    """A budget is used up: the model was not asked. Held against nobody, like a model that is down."""

    def __init__(self, spent: Spent) -> None:
        super().__init__(str(spent))
        self.spent = spent

    @property
    def ends_the_run(self) -> bool:
        """Whether the run ends here, to go on when it gets more; a generation's budget ends the generation alone."""
        return self.spent.per != "generation"


class Purse:
    """Counts what a run uses; what earlier processes of the run used is counted too."""

    def __init__(
        self,
        tables: ArchiveTables,
        run_id: str,
        options: EvolveOptions,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Begin with what is stored.

        Args:
            tables: where the usage of candidates, evaluations and nodes is.
            run_id: the run.
            options: its budgets.
            clock: seconds of this process.
            now: the time, in UTC.
        """
        self._tables, self._options, self._clock, self._now = tables, options, clock, now
        self._one_at_a_time = threading.Lock()
        self._started, self._started_at = clock(), now()
        self._earlier = tables.worked(run_id)
        self.spent = tables.spent(run_id)
        """What the run used so far."""
        self._begun: Usage | None = None
        self._day = ""
        self._day_before, self._day_seconds, self._at_midnight = Usage(), 0.0, Usage()
        self._today()  # before anything is used

    def begin_generation(self) -> Usage:
        """Start to count a generation; return what the run had used, for `take_up`."""
        self._begun = self._so_far()
        return self._begun

    def take_up(self, begun: Usage | None, unstored: Usage) -> None:
        """Go on counting a generation that another process began.

        Args:
            begun: what `begin_generation` returned there.
            unstored: what was used for candidates that are not in the database yet.
        """
        if self._begun is None and begun is not None:
            self._begun = begun
            self.spend(unstored)

    def end_generation(self) -> None:
        """Let the generation's budget bound nothing any more: what is accepted must be seen through."""
        self._begun = None

    @property
    def took_up(self) -> bool:
        """Whether a generation is counted."""
        return self._begun is not None

    def spend(self, usage: Usage) -> None:
        """Count what was used; several threads may."""
        with self._one_at_a_time:
            self.spent += usage

    def seconds(self) -> float:
        """Return the seconds of the run: those of earlier processes' finished nodes, and all of this one's."""
        return self._earlier + self._clock() - self._started

    def empty(self) -> Spent | None:
        """Return which budget of the run or of the day is used up."""
        options = self._options
        run = self._so_far()
        return (
            _over("run", run, options.max_tokens, options.max_dollars, options.max_seconds)
            or _over("day", self._today(), options.day_tokens, options.day_dollars, options.day_seconds)
        )  # fmt: skip

    def empty_now(self) -> Spent | None:
        """Return which budget is used up, those of the run and of the day first, then the generation's."""
        spent, options = self.empty(), self._options
        if spent is not None or self._begun is None:
            return spent
        generation = _less(self._so_far(), self._begun)
        return _over(
            "generation",
            generation,
            options.generation_tokens,
            options.generation_dollars,
            options.generation_seconds,
        )

    def check(self) -> None:
        """Refuse to go on when a budget is used up; to be called before anything that costs.

        Raises:
            OutOfBudget: one is.
        """
        spent = self.empty_now()
        if spent is not None:
            raise OutOfBudget(spent)

    def _so_far(self) -> Usage:
        """Return what the run used; the seconds are those of the clock."""
        return self.spent.model_copy(update={"seconds": max(0.0, self.seconds())})

    def _today(self) -> Usage:
        """Return what all evolution in this home used since midnight UTC. There is one writer: this process."""
        now = self._now()
        today = now.date().isoformat()
        if self._day != today:
            self._day, self._at_midnight = today, self.spent
            self._day_before = self._tables.spent(since=today)
            began_today = self._started_at.date() == now.date()
            self._day_seconds = self._tables.worked(since=today) if began_today else 0.0
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        here = min(timedelta(seconds=self._clock() - self._started), now - midnight).total_seconds()
        today_here = _less(self.spent, self._at_midnight)
        return (self._day_before + today_here).model_copy(update={"seconds": self._day_seconds + here})


def _over(
    per: str, used: Usage, tokens: int | None, dollars: float | None, seconds: float | None
) -> Spent | None:
    for what, amount, limit in (
        ("tokens", used.tokens, tokens),
        ("dollars", used.dollars, dollars),
        ("seconds", used.seconds, seconds),
    ):
        if limit is not None and amount >= limit:
            return Spent.model_validate({"per": per, "what": what, "used": amount, "limit": limit})
    return None


def _less(usage: Usage, other: Usage) -> Usage:
    return Usage(
        input_tokens=max(0, usage.input_tokens - other.input_tokens),
        output_tokens=max(0, usage.output_tokens - other.output_tokens),
        dollars=max(0.0, usage.dollars - other.dollars),
        seconds=max(0.0, usage.seconds - other.seconds),
    )
