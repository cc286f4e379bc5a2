"""What an evolution run may spend: in a generation, in all, and on one day."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from evolvent.storage.archive import ArchiveTables
from evolvent.types import EvolveOptions, Usage

__all__ = ["Purse"]


class Purse:
    """Counts what a run uses; what earlier processes of the run used is counted too."""

    def __init__(
        self, tables: ArchiveTables, run_id: str, options: EvolveOptions, seconds: float = 0.0
    ) -> None:
        """Begin with what is stored.

        Args:
            tables: where the usage of candidates and evaluations is.
            run_id: the run.
            options: its budgets.
            seconds: that earlier processes worked for the run.
        """
        self._tables, self._options = tables, options
        self.spent = tables.spent(run_id)
        """What the run used so far."""
        self._generation = Usage()
        self._day, self._before_us, self._at_midnight = "", Usage(), Usage()
        self._earlier = seconds
        self._started = time.monotonic()

    def begin_generation(self) -> None:
        """Start to count a generation."""
        self._generation = Usage()

    def spend(self, usage: Usage) -> None:
        """Count what was used."""
        self.spent += usage
        self._generation += usage

    def seconds(self) -> float:
        """Return the seconds of the run: those of earlier processes' finished nodes, and all of this one's."""
        return self._earlier + time.monotonic() - self._started

    def empty(self) -> str:
        """Return which budget of the run or of the day is used up; "" when none is."""
        options, day = self._options, self._today()
        for name, used, limit in (
            ("tokens of the run", self.spent.tokens, options.max_tokens),
            ("dollars of the run", self.spent.dollars, options.max_dollars),
            ("seconds of the run", self.seconds(), options.max_seconds),
            ("tokens of the day", day.tokens, options.day_tokens),
            ("dollars of the day", day.dollars, options.day_dollars),
        ):
            if limit is not None and used >= limit:
                return f"the {name} are spent: {used:.6g} of {limit:.6g}"
        return ""

    def empty_now(self) -> str:
        """Return which budget is used up, that of the generation included; "" when none is."""
        limit = self._options.generation_tokens
        if limit is not None and self._generation.tokens >= limit:
            return f"the tokens of the generation are spent: {self._generation.tokens} of {limit}"
        return self.empty()

    def _today(self) -> Usage:
        """Return what all evolution in this home used since midnight UTC."""
        today = datetime.now(UTC).date().isoformat()
        if self._day != today:
            self._day, self._before_us, self._at_midnight = today, self._tables.spent(since=today), self.spent
        before, now, then = self._before_us, self.spent, self._at_midnight
        return Usage(
            input_tokens=before.input_tokens + now.input_tokens - then.input_tokens,
            output_tokens=before.output_tokens + now.output_tokens - then.output_tokens,
            dollars=max(0.0, before.dollars + now.dollars - then.dollars),
        )
