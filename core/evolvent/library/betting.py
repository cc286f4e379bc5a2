"""Evidence that accumulates: a bet against "no better", whose capital grows when it is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["paired_e_value"]

LARGEST_BET = 0.75
"""Share of the capital that a single outcome may cost at most."""


def paired_e_value(differences: Sequence[float], alpha: float = 0.05) -> float:
    """Return the e-value against "the mean difference is at most 0"; at least 1/alpha is evidence at level alpha.

    The capital process of Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting"
    (JRSSB 2023, section 4.1), with their predictable plug-in bets: K = ∏ (1 + λᵢ (xᵢ - 1/2)), xᵢ = (dᵢ + 1) / 2,
    λᵢ = min(√(2 ln(1/alpha) / (vᵢ₋₁ i ln(1 + i))), c / (1/2)), v the
    running variance. Under the null its expectation is at most 1, at any
    number of cases and at any rule when to stop.

    Args:
        differences: new score minus old score of each case, in [-1, 1], in an order chosen before they are known.
        alpha: the level that the bets are tuned for.

    Raises:
        ValueError: a difference lies outside [-1, 1].
    """
    capital, total, squares = 1.0, 0.5, 0.25
    variance = 0.25
    for number, difference in enumerate(differences, 1):
        if not -1 <= difference <= 1:
            raise ValueError(f"a difference of scores is {difference!r}; allowed: -1 to 1")
        x = (difference + 1) / 2
        bet = math.sqrt(2 * math.log(1 / alpha) / (variance * number * math.log(1 + number)))
        capital *= 1 + min(bet, LARGEST_BET / 0.5) * (x - 0.5)
        total += x
        mean = total / (number + 1)
        squares += (x - mean) ** 2
        variance = squares / (number + 1)
    return capital
