"""Scores of two agent programs on the same tasks, checked before anything is computed of them."""

from __future__ import annotations

from collections.abc import Sequence

from evolvent.errors import UsageError

__all__ = ["paired_scores"]


def paired_scores(
    candidate: Sequence[float], rival: Sequence[float], other: str = "incumbent"
) -> tuple[list[float], list[float]]:
    """Return both as lists of floats.

    Args:
        candidate: scores in [0, 1], one a task.
        rival: scores on the same tasks and seeds, in the same order.
        other: what an error calls the rival.

    Raises:
        UsageError: the lengths differ, or a score is not a number in [0, 1].
    """
    if len(candidate) != len(rival):
        raise UsageError(
            f"{len(candidate)} scores of the candidate and {len(rival)} of the {other}; "
            "give one of each for every task, in the same order"
        )
    for whose, scores in (("candidate", candidate), (other, rival)):
        for place, score in enumerate(scores):
            if not _usable(score):
                raise UsageError(f"score {place} of the {whose} is {score!r}; scores are numbers from 0 to 1")
    return [float(score) for score in candidate], [float(score) for score in rival]


def _usable(score: float) -> bool:
    try:
        return bool(0 <= score <= 1)
    except TypeError:
        return False
