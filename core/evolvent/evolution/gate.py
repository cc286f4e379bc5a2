"""The gate: is a candidate better than the incumbent, or was it lucky?

Everything here is a pure function of scores. Both programs are scored on the same tasks with the same seeds, so tests
and intervals are those of pairs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from evolvent.errors import UsageError
from evolvent.evolution.pairs import paired_scores
from evolvent.evolution.spending import AlphaSpending
from evolvent.types import Comparison, GateDecision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["compare", "decide", "is_promising"]

UNITS = 1000
"""Differences are rounded to this part of a score before their signs are flipped."""
RESAMPLES = 2000
"""Bootstrap samples of an interval."""
CONFIDENCE = 0.95
PROMISING = 0.05
"""p-value on train tasks up to which a candidate is promising."""


def compare(candidate: Sequence[float], incumbent: Sequence[float], *, seed: int = 0) -> Comparison:
    """Compare paired scores: is the candidate better?

    With scores of 0 and 1 alone the test is McNemar's exact one (binomial on the discordant pairs). Otherwise it is
    Fisher's exact paired permutation test: how often the sum of the differences would be as large if each sign were a
    fair coin's.

    Args:
        candidate: scores in [0, 1], one a task.
        incumbent: scores of the incumbent on the same tasks and seeds, in the same order.
        seed: of the bootstrap; the same scores and seed give the same comparison.

    Raises:
        UsageError: there are no pairs, the lengths differ, or a score is not a number in [0, 1].
    """
    import numpy as np

    ours, theirs = map(np.array, paired_scores(candidate, incumbent))
    if not len(ours):
        raise UsageError("no scores to compare; measure both programs on at least one common task")
    differences = ours - theirs
    p_value, test = _p_value(ours, theirs)
    low, high = _interval(differences, seed)
    return Comparison(
        pairs=len(ours),
        candidate=float(ours.mean()),
        incumbent=float(theirs.mean()),
        difference=float(differences.mean()),
        low=low,
        high=high,
        p_value=p_value,
        test=test,
    )


def is_promising(candidate: Sequence[float], incumbent: Sequence[float]) -> bool:
    """Return whether a candidate stands out on train tasks, where nobody promises that it was not made for them.

    Args:
        candidate: scores in [0, 1], one a train task.
        incumbent: scores on the same tasks and seeds, in the same order.

    Raises:
        UsageError: a score is not a number in [0, 1], or the lengths differ.
    """
    import numpy as np

    ours, theirs = map(np.array, paired_scores(candidate, incumbent))
    return bool(ours.sum() > theirs.sum() and _p_value(ours, theirs)[0] <= PROMISING)


def decide(
    candidate: Sequence[float],
    incumbent: Sequence[float],
    number: int,
    spending: AlphaSpending,
    *,
    accepted: Collection[int] = (),
    place: int | None = None,
    promising: bool = False,
    seed: int = 0,
) -> GateDecision:
    """Decide whether a candidate replaces the incumbent; ties and doubts keep the incumbent.

    Args:
        candidate: scores on the gate tasks; see `compare`.
        incumbent: scores on the same tasks and seeds.
        number: which gate test of the archive this is, from 1; each number may be used once.
        spending: how much error each test of its row may have.
        accepted: places of earlier tests of its row that accepted; they pass their level on.
        place: which test of its row this is, from 1; by default there is one row, and it is `number`.
        promising: whether its row is that of promising candidates; only told.
        seed: of the bootstrap.

    Raises:
        UsageError: scores or number cannot be used.
    """
    place = number if place is None else place
    alpha = spending.level(place, accepted)
    found = compare(candidate, incumbent, seed=seed)
    told = (
        f"{found.candidate:.3f} against {found.incumbent:.3f} on {found.pairs} "
        f"{'task' if found.pairs == 1 else 'tasks'} (difference {found.difference:+.3f}, 95 % interval "
        f"{found.low:+.3f} to {found.high:+.3f}; {found.test}, p = {found.p_value:.3g}, "
        f"level of test {number} is {alpha:.3g}{', as it was promising' if promising else ''})"
    )
    better = found.difference > 0 and found.p_value <= alpha
    if better:
        reason = f"better: {told}"
    elif found.difference == 0:
        reason = f"a tie keeps the incumbent: {told}"
    elif found.difference < 0:
        reason = f"it scored lower: {told}"
    else:
        reason = f"the gain may be chance: {told}"
    return GateDecision(
        accepted=better,
        reason=reason,
        comparison=found,
        alpha=alpha,
        number=number,
        place=place,
        promising=promising,
    )


def _p_value(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> tuple[float, str]:
    """Return the p-value of `ours` being no better, and the name of the test."""
    import numpy as np

    if bool(np.isin(ours, (0, 1)).all() and np.isin(theirs, (0, 1)).all()):
        return _mcnemar(ours - theirs), "exact McNemar"
    return _sign_flips(ours - theirs), "exact paired permutation"


def _mcnemar(differences: NDArray[np.float64]) -> float:
    from scipy.stats import binomtest

    gained, lost = int((differences > 0).sum()), int((differences < 0).sum())
    if not gained + lost:
        return 1.0
    return float(binomtest(gained, gained + lost, 0.5, alternative="greater").pvalue)


def _sign_flips(differences: NDArray[np.float64]) -> float:
    """Return the share of all 2ⁿ assignments of signs whose sum is at least the one seen.

    The distribution of the sum is built up pair by pair (Pagano and Tritchler, "On obtaining permutation
    distributions in polynomial time", JASA 78, 1983), on differences in whole thousandths: rounding treats both signs
    alike, so the test stays exact. Not `scipy.stats.permutation_test`: beyond some 20 pairs that draws signs at
    random, and its smallest p-value, 1 / (draws + 1), is above the level of late tests.
    """
    import numpy as np

    units = np.rint(differences * UNITS).astype(np.int64)
    sizes = np.abs(units[units != 0])
    if not len(sizes):
        return 1.0
    # chances[i] is that of the flipped positive differences adding up to i thousandths
    chances = np.ones(1)
    for size in sizes:
        grown = np.zeros(len(chances) + size)
        grown[: len(chances)] = chances
        grown[size:] += chances
        chances = grown / 2
    return min(1.0, math.fsum(chances[int(units[units > 0].sum()) :]))


def _interval(differences: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """Return the bias-corrected and accelerated bootstrap interval (Efron 1987) of the mean difference.

    Where all differences are equal a bootstrap sees no spread at all; the interval is then what a share of other
    differences allows that stays unseen in n draws with a probability of 2.5 % (Clopper and Pearson 1934).
    """
    import numpy as np
    from scipy.stats import bootstrap

    mean = float(differences.mean())
    if np.ptp(differences) == 0:
        unseen = 1 - ((1 - CONFIDENCE) / 2) ** (1 / len(differences))
        return max(-1.0, mean - unseen * (mean + 1)), min(1.0, mean + unseen * (1 - mean))
    found = bootstrap(
        (differences,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return max(-1.0, float(found.low)), min(1.0, float(found.high))
