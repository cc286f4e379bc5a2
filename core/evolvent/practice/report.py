"""What a learning job reports, and the statistics behind it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from evolvent.types import Frozen, SkillState, Usage

__all__ = ["FamilyReport", "LearnReport", "Paired", "SkillOutcome", "paired_bootstrap"]


class Paired(Frozen):
    """A mean before and after on the same tasks, with the interval of the difference."""

    before: float
    after: float
    interval: tuple[float, float]
    """95 % interval of `after - before`."""


class FamilyReport(Frozen):
    """One family of held-out tasks."""

    family: str
    tasks: int
    score: Paired
    """Mean score in [0, 1]."""
    tokens: Paired
    """Model tokens per task."""
    skill: str | None = None
    """The active skill that answered at least one of the tasks."""
    wrongly_applied: int = 0
    """Tasks that a skill answered and got wrong."""
    example: str = ""
    """A question of the family that the agent practised on."""


class SkillOutcome(Frozen):
    """One proposal and what admission said."""

    family: str
    name: str
    admitted: bool
    reason: str
    cases: int = 0
    """Judged tasks, other than those that it was written from."""
    state: SkillState
    """Where it was at the end of the job."""


class LearnReport(Frozen):
    """The outcome of `evolvent learn`."""

    run_id: str
    suite: str
    suite_digest: str
    model: str
    seed: int
    held_out: Paired
    """Mean over families of the score on sealed tasks."""
    tokens: Paired
    """Model tokens per sealed task, all families together."""
    wrongly_applied: float = Field(ge=0, le=1)
    """Share of the sealed tasks that a skill answered wrongly."""
    families: tuple[FamilyReport, ...]
    skills: tuple[SkillOutcome, ...]
    lessons: int = 0
    usage: Usage
    wall_s: float
    """Seconds of work, interruptions left out."""


def paired_bootstrap(
    before: Sequence[float], after: Sequence[float], *, level: float = 0.95, resamples: int = 10_000
) -> tuple[float, float]:
    """Return the percentile interval of the mean of `after - before` over the same tasks.

    Paired bootstrap: the differences are resampled (Efron and Tibshirani 1993, chapter 13). Repeatable: the
    random numbers are seeded by constants.

    Args:
        before: one value for each task.
        after: one value for each task, in the same order.
        level: coverage in (0, 1).
        resamples: number of resamples.

    Raises:
        ValueError: the lengths differ, or there is no task.
    """
    difference = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    if len(before) != len(after) or difference.size == 0:
        raise ValueError("paired_bootstrap needs two equally long, non-empty sequences")
    rng = np.random.default_rng(20_240_229)
    picks = rng.integers(0, difference.size, size=(resamples, difference.size))
    means = difference[picks].mean(axis=1)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)
