"""Counting what a run uses against what it may."""

from __future__ import annotations

from evolvent.errors import RunError
from evolvent.types import Budget, Usage

__all__ = ["BudgetSpent", "Meter"]


class BudgetSpent(RunError):
    """A bound was reached; `bound` names it. Becomes a result, never reaches the caller of a runtime."""

    def __init__(self, bound: str, budget: Budget) -> None:
        super().__init__(f"the budget's {bound} are spent (allowed: {getattr(budget, bound)})")
        self.bound = bound


class Meter:
    """The usage of one run so far."""

    def __init__(self, budget: Budget, usage: Usage = Usage()) -> None:  # noqa: B008  # frozen
        self.budget = budget
        self.usage = usage
        self.requests = 0
        self.spent: str | None = None
        """The bound that ended the run, if one did."""

    def charge(self, usage: Usage) -> None:
        """Add what was used."""
        self.usage += usage

    def check(self) -> None:
        """Refuse to go on when a bound is reached.

        Raises:
            BudgetSpent: it is.
        """
        bound = "requests" if self.requests > self.budget.requests else self.budget.spent_by(self.usage)
        if bound:
            self.spent = bound
            raise BudgetSpent(bound, self.budget)

    def tokens_left(self) -> int | None:
        """Tokens that may still be used; None means unbounded."""
        return None if self.budget.tokens is None else max(0, self.budget.tokens - self.usage.tokens)

    def seconds_left(self) -> float | None:
        """Seconds that may still be used; None means unbounded."""
        return None if self.budget.seconds is None else max(0.0, self.budget.seconds - self.usage.seconds)

    def left(self) -> dict[str, int | float | None]:
        """Return what is left, for the guest."""
        return {
            "tokens_left": self.tokens_left(),
            "seconds_left": self.seconds_left(),
            "requests_left": max(0, self.budget.requests - self.requests),
        }
