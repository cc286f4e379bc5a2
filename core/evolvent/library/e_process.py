"""Sequential tests that may be looked at after every trial.

An e-process starts at 1 and, where the hypothesis holds, is expected not to grow; so it reaches 1/alpha with a
probability of at most alpha, however often and whenever one looks (Ville's inequality). Ours bet on bounded
values: the capital prod(1 + lambda * x) of Waudby-Smith and Ramdas, "Estimating means of bounded random
variables by betting" (JRSS B 86, 2024, section 4), averaged over a grid of bets, so that no bet must be chosen
beforehand.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["Stake", "capital", "cheapness", "effect_stakes", "peak_capital"]

BETS = tuple(share / 20 for share in range(1, 20))
"""Shares of the largest bet that can never lose more than everything."""


class Stake(NamedTuple):
    """One value whose expectation, given the past, is at most 0 under the hypothesis."""

    value: float
    worst: float
    """The smallest value that was possible, as a positive number."""


def capital(stakes: Iterable[Stake]) -> float:
    """Return the capital after all stakes: evidence against the hypothesis that they are worth nothing."""
    logs = [0.0] * len(BETS)
    for stake in stakes:
        for position, bet in enumerate(BETS):
            logs[position] += math.log1p(bet * stake.value / stake.worst)
    return _mean_exp(logs)


def peak_capital(stakes: Iterable[Stake]) -> float:
    """Return the capital of one who begins anew whenever everything was lost: it shows changes that come late.

    For each bet, max(1, capital) is multiplied on, as in Page's CUSUM; such an e-detector reaches c, where nothing
    changed, after at least c trials on average (Shin, Ramdas and Rinaldo, "E-detectors", NEJSDS 2, 2024).
    """
    logs = [0.0] * len(BETS)
    for stake in stakes:
        for position, bet in enumerate(BETS):
            logs[position] = max(0.0, logs[position]) + math.log1p(bet * stake.value / stake.worst)
    return _mean_exp(logs)


def effect_stakes(
    trials: Sequence[tuple[bool, float, float]], *, sign: int = 1, margin: float = 0.0
) -> list[Stake]:
    """Return stakes against the hypothesis that a treatment's mean effect on a score is at most `margin`.

    Each trial was assigned at random with a known probability. Its contribution is the inverse-propensity
    estimate of the effect (Horvitz and Thompson 1952) of the score less (1 - p) times the mean with and p times
    the mean without the treatment so far: that changes no expectation and takes away most of the noise.

    Args:
        trials: (treated, probability of the treatment, score in [0, 1]), oldest first.
        sign: -1 tests the effect of leaving the treatment out, so: harm.
        margin: in [-1, 1]; negative for a test of non-inferiority.

    Raises:
        ValueError: a probability is not between 0 and 1, or a score is outside [0, 1].
    """
    stakes = []
    sums, counts = {True: 0.5, False: 0.5}, {True: 1.0, False: 1.0}
    for treated, probability, score in trials:
        if not 0 < probability < 1 or not 0 <= score <= 1:
            raise ValueError(f"a trial with probability {probability!r} and score {score!r}")
        centre = (1 - probability) * sums[True] / counts[True] + probability * sums[False] / counts[False]
        weight = 1 / probability if treated else -1 / (1 - probability)
        largest = max(centre, 1 - centre) * max(1 / probability, 1 / (1 - probability))
        stakes.append(Stake(sign * weight * (score - centre) - margin, largest + margin))
        sums[treated] += score
        counts[treated] += 1
    return stakes


def cheapness(costs: Sequence[float]) -> list[float]:
    """Return for each cost whether it is below the median of those before it: 1, 0, or 0.5 for one that equals it.

    A score in [0, 1] that is predictable up to the cost itself, so `effect_stakes` may bet on it, however costs drift.

    Args:
        costs: tokens or seconds, oldest first.
    """
    scores, earlier = [], list[float]()
    for cost in costs:
        count = len(earlier)
        middle = (earlier[(count - 1) // 2] + earlier[count // 2]) / 2 if earlier else cost
        scores.append(0.5 if cost == middle else float(cost < middle))
        insort(earlier, cost)
    return scores


def _mean_exp(logs: Sequence[float]) -> float:
    top = max(logs)
    if top > 700:
        return math.inf
    return math.exp(top) * sum(math.exp(value - top) for value in logs) / len(logs)
