"""How sure a variant's score is."""

from __future__ import annotations

from evolvent.types import Variant

__all__ = ["score_interval"]


def score_interval(variant: Variant) -> tuple[float, float]:
    """Return the 95 % interval of a variant's mean score on tasks like those it was measured on.

    Jeffreys' interval (Brown, Cai and DasGupta, "Interval Estimation for a Binomial Proportion", Statistical Science
    16, 2001) with the sum of scores as the successes: for scores between 0 and 1 it is wider than needed, never
    narrower. Without any trial it is all of [0, 1].
    """
    from scipy.special import betaincinv  # scipy.stats takes a second to import

    if not variant.trials:
        return 0.0, 1.0
    won = variant.score * variant.trials
    lost = variant.trials - won
    low, high = betaincinv(won + 0.5, lost + 0.5, (0.025, 0.975))
    return (0.0 if won == 0 else float(low)), (1.0 if lost == 0 else float(high))
