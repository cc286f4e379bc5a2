"""How much of the permitted error each gate test of an archive may use up."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import Field

from evolvent.errors import UsageError
from evolvent.types import Frozen

__all__ = ["AlphaSpending", "ErrorBudget"]


class AlphaSpending(Frozen):
    """Alpha spent over an unbounded row of tests: the levels of all tests add up to `alpha`.

    Test k gets alpha * share(k), share(k) = (k + delay)^-2 / zeta(2, 1 + delay) with Hurwitz' zeta function, so that
    all shares add up to 1. By the union bound the probability that an archive ever accepts a candidate that is no
    better is at most alpha, however the tests depend on one another and however long it runs: "alpha-spending", or
    online Bonferroni, for any shares that add up to at most 1 (Tian and Ramdas, "Online control of the familywise error
    rate", arXiv:1910.04900; Foster and Stine, JRSS B 70, 2008). What it costs is power: the later a candidate
    comes, the clearer its gain must be. `delay` spreads the loss: with 0 the first test gets 61 % of alpha and the
    50th 0.02 %, with 20 they get 4.6 % and 0.42 %.

    An acceptance gives its level to the next test (the "online fallback" of the same paper). That keeps the claim
    where the scores of each test are fresh: before the first false acceptance only true ones have passed anything on,
    so that what was spent on candidates that are no better is never more than alpha.
    """

    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Probability that the archive ever accepts a candidate that is no better."""
    delay: float = Field(default=20.0, ge=0)
    """Tests after which the levels begin to fall fast."""

    def level(self, number: int, accepted: Collection[int] = ()) -> float:
        """Return the level of one test.

        Args:
            number: which test of the archive it is, from 1.
            accepted: numbers of the tests of this archive that accepted their candidate.

        Raises:
            UsageError: `number` is not a whole number from 1.
        """
        from scipy.special import zeta

        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise UsageError(
                f"a gate test numbered {number!r}; tests of an archive are counted 1, 2, 3, …, each number once"
            )
        first = number
        while first - 1 in accepted:
            first -= 1
        shares = sum((k + self.delay) ** -2 for k in range(first, number + 1))
        return float(self.alpha * shares / zeta(2, 1 + self.delay))


class ErrorBudget(Frozen):
    """The permitted error of an archive, divided between promising candidates and all others.

    Which of the two rows a candidate's test belongs to is decided by its train scores, before any of its gate tasks is
    tried. Where both programs are equal the gate's p-values do not depend on that, so each row keeps its claim and
    together they spend at most `alpha` (weighted hypothesis testing: Genovese, Roeder and Wasserman,
    "False discovery control with p-value weighting", Biometrika 93, 2006, and Tian and Ramdas for tests in a row).
    What it gains is power: a candidate that stands out on train is tested at some five times the level that it would
    have as one of many, and few are promising, so that their row lasts.
    """

    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Probability that the archive ever accepts a candidate that is no better."""
    share: float = Field(default=0.8, gt=0, lt=1)
    """Part of alpha that promising candidates may use up."""
    delay: float = Field(default=2.0, ge=0)
    """`AlphaSpending.delay` of the row of promising candidates."""

    def row(self, promising: bool) -> AlphaSpending:
        """Return the levels of one of the two rows of tests; each counts its tests from 1."""
        if promising:
            return AlphaSpending(alpha=self.alpha * self.share, delay=self.delay)
        return AlphaSpending(alpha=self.alpha * (1 - self.share))
