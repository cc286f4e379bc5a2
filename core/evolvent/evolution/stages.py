"""Measuring in stages: little is spent on candidates that cannot win."""

from __future__ import annotations

import math
from collections.abc import Sequence

from evolvent.errors import UsageError
from evolvent.evolution.pairs import paired_scores

__all__ = ["hopeless", "stages"]

ROUNDING = 1e-9
"""Sums of scores that differ by less are equal."""


def stages(total: int, first: int = 4) -> tuple[int, ...]:
    """Return after how many tasks to look: `first`, then twice as many each time, and all of them at the end.

    Raises:
        UsageError: a number is below 1.
    """
    if total < 1 or first < 1:
        raise UsageError(f"stages of {total!r} tasks beginning with {first!r}; both must be at least 1")
    sizes = []
    size = first
    while size < total:
        sizes.append(size)
        size *= 2
    return (*sizes, total)


def hopeless(
    candidate: Sequence[float],
    rival: Sequence[float],
    left: int,
    *,
    rival_left: float = 0.0,
    alpha: float = 0.05,
) -> str:
    """Return why measuring a candidate further is a waste, or "" while it may still win.

    Either it does not pass the rival even if it scores 1 on all that is left (a tie is no win); or the evidence that it
    is worse is strong: the capital of one who bets on the rival's lead reached 1/alpha. However often one looks, that
    happens to a candidate that is as good with a probability of at most alpha (Ville's inequality; see
    `evolvent.library.e_process`), so looking after every stage is paid for. It needs tasks in an order that says
    nothing of them: shuffle them with the run's seed, or easy ones at the front may end who is good at hard ones.

    Args:
        candidate: scores in [0, 1] so far, one a task.
        rival: scores on the same tasks and seeds, in the same order.
        left: tasks on which the candidate was not scored yet.
        rival_left: the rival's sum of scores on those, where it was scored on them before.
        alpha: probability of stopping a candidate that is as good as its rival, or better.

    Raises:
        UsageError: the lengths differ, a score is not in [0, 1], `left` is negative, or alpha is not between 0 and 1.
    """
    from evolvent.library.e_process import Stake, capital

    ours, theirs = paired_scores(candidate, rival, "rival")
    if left < 0 or not 0 < alpha < 1:
        raise UsageError(f"left {left!r} and alpha {alpha!r}: left is at least 0, alpha is between 0 and 1")
    behind = math.fsum(theirs) - math.fsum(ours)
    if behind + rival_left + ROUNDING >= left:
        return f"it cannot win: {behind:.3g} behind with {left} {'task' if left == 1 else 'tasks'} left"
    against = capital(Stake(b - a, 1.0) for a, b in zip(ours, theirs, strict=True))
    if against >= 1 / alpha:
        return f"it is worse: {behind:.3g} behind after {len(ours)} tasks (e-value {against:.3g})"
    return ""
