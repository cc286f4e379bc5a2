"""How sure a variant's score is."""

from __future__ import annotations

import math

from evolvent.types import Variant

__all__ = ["score_interval"]

Z = 1.959963984540054
"""The 0.975 quantile of the standard normal distribution."""


def score_interval(variant: Variant) -> tuple[float, float]:
    """Return the 95 % interval of a variant's mean score on tasks like those it was measured on.

    Wilson's interval ("Probable Inference, the Law of Succession, and Statistical Inference", JASA 22, 1927) with the
    sum of scores as the successes: scores between 0 and 1 vary no more than passes and failures of the same mean, so
    for them it is wider than needed. Without any trial it is all of [0, 1]. In closed form, because a look at an
    archive of thousands need not load scipy.
    """
    count, mean = variant.trials, variant.score
    if not count:
        return 0.0, 1.0
    middle = mean + Z**2 / (2 * count)
    half = Z * math.sqrt(mean * (1 - mean) / count + (Z / (2 * count)) ** 2)
    low, high = ((middle + side) / (1 + Z**2 / count) for side in (-half, half))
    return (0.0 if mean <= 0 else low), (1.0 if mean >= 1 else high)
