"""Does a skill help? Trials with and without it, as estimates with intervals and as sequential tests.

Scores: one Beta-Bernoulli model an arm with a uniform prior; a score s in [0, 1] counts as s successes and 1 -
s failures (as Agrawal and Goyal treat bounded rewards, "Analysis of Thompson Sampling", COLT 2012, but in
expectation). Tokens and seconds: the k-th solve with the skill is paired with the k-th without it, and the mean
of the differences gets Student's interval. Decisions rest on the e-processes of `library.e_process`, which may
be looked at after every solve; intervals are for people.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from evolvent.library.e_process import capital, cheapness, effect_stakes, peak_capital
from evolvent.storage.trials import SkillTrial
from evolvent.types import Frozen

__all__ = ["ArmEvidence", "Evidence", "Saving", "weigh"]

LEVEL = 0.95
DRAWS = 20_000


class ArmEvidence(Frozen):
    """The solves with a skill, or those without it."""

    solves: int
    judged: int
    score: float | None
    """Mean of the Beta posterior; None: nothing was judged."""
    interval: tuple[float, float] | None
    """Its central 95 % interval."""
    tokens: float | None
    """Mean."""
    seconds: float | None


class Saving(Frozen):
    """What a solve with the skill saves; negative: what it costs."""

    pairs: int
    mean: float
    interval: tuple[float, float] | None
    """95 %, of the mean; None: fewer than two pairs."""


class Evidence(Frozen):
    """What the trials of one version say."""

    skill: str
    digest: str
    given: ArmEvidence
    withheld: ArmEvidence
    effect: float | None
    """Mean of the posterior difference of scores, with less without; None: one arm has no judged solve."""
    effect_interval: tuple[float, float] | None
    tokens_saved: Saving
    seconds_saved: Saving
    drawn: int
    """Judged solves that were assigned at random; the tests below rest on them alone."""
    helps: float
    """E-value against "it does not raise the score"."""
    harms: float
    """E-value against "it does not lower the score"."""
    harms_lately: float
    """E-detector of the same, for a skill that has stopped being good."""
    not_worse: float
    """E-value against "it lowers the score by the margin or more"."""
    cheaper: float
    """E-value against "solves with it spend less than the usual tokens no more often than those without"; seconds
    where no tokens are spent."""
    dearer: float
    """E-value against the opposite."""


def weigh(
    skill: str, digest: str, trials: Sequence[SkillTrial], margin: float = 0.1, *, intervals: bool = True
) -> Evidence:
    """Return what finished trials of one version say.

    Args:
        skill: its name.
        digest: the version.
        trials: oldest first.
        margin: loss of score that counts as none, in [0, 1].
        intervals: whether to compute them too; deciding needs none, and scipy takes a second to load.
    """
    given = [t for t in trials if t.arm == "with"]
    withheld = [t for t in trials if t.arm == "without" and _drawn(t)]
    drawn = [(t.arm == "with", t.propensity, t.score) for t in trials if t.score is not None and _drawn(t)]
    # Only drawn ones are comparable: a skill that is given without a draw may be given for a reason.
    compared = [t for t in given if _drawn(t)]
    effect, interval = _difference(compared, withheld, intervals)
    tokens = [float((b.tokens or 0) - (a.tokens or 0)) for a, b in zip(compared, withheld, strict=False)]
    seconds = [(b.seconds or 0.0) - (a.seconds or 0.0) for a, b in zip(compared, withheld, strict=False)]
    costs = [t for t in trials if _drawn(t)]
    spent = [float(t.tokens or 0) for t in costs]
    scores = cheapness(spent if any(spent) else [t.seconds or 0.0 for t in costs])
    cheap = [(t.arm == "with", t.propensity, score) for t, score in zip(costs, scores, strict=True)]
    harm = effect_stakes(drawn, sign=-1)
    return Evidence(
        skill=skill,
        digest=digest,
        given=_arm(given, intervals),
        withheld=_arm(withheld, intervals),
        effect=effect,
        effect_interval=interval,
        tokens_saved=_saving(tokens, intervals),
        seconds_saved=_saving(seconds, intervals),
        drawn=len(drawn),
        helps=capital(effect_stakes(drawn)),
        harms=capital(harm),
        harms_lately=peak_capital(harm),
        not_worse=capital(effect_stakes(drawn, margin=-margin)),
        cheaper=capital(effect_stakes(cheap)),
        dearer=capital(effect_stakes(cheap, sign=-1)),
    )


def _drawn(trial: SkillTrial) -> bool:
    return 0 < trial.propensity < 1


def _beta(trials: Sequence[SkillTrial]) -> tuple[float, float]:
    scores = [t.score for t in trials if t.score is not None]
    return 1.0 + sum(scores), 1.0 + sum(1.0 - s for s in scores)


def _arm(trials: Sequence[SkillTrial], intervals: bool) -> ArmEvidence:
    judged = sum(t.score is not None for t in trials)
    a, b = _beta(trials)
    interval = None
    if judged and intervals:
        from scipy.stats import beta

        low, high = beta.interval(LEVEL, a, b)
        interval = (float(low), float(high))
    return ArmEvidence(
        solves=len(trials),
        judged=judged,
        score=a / (a + b) if judged else None,
        interval=interval,
        tokens=fmean(t.tokens or 0 for t in trials) if trials else None,
        seconds=fmean(t.seconds or 0.0 for t in trials) if trials else None,
    )


def _difference(
    given: Sequence[SkillTrial], withheld: Sequence[SkillTrial], intervals: bool
) -> tuple[float | None, tuple[float, float] | None]:
    """Return mean and interval of the difference of two Beta posteriors, by draws with a fixed seed."""
    if not any(t.score is not None for t in given) or not any(t.score is not None for t in withheld):
        return None, None
    (a, b), (c, d) = _beta(given), _beta(withheld)
    effect = a / (a + b) - c / (c + d)
    if not intervals:
        return effect, None
    import numpy as np

    rng = np.random.default_rng(0)
    draws = rng.beta(a, b, DRAWS) - rng.beta(c, d, DRAWS)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return effect, (float(low), float(high))


def _saving(differences: Sequence[float], intervals: bool) -> Saving:
    if not differences:
        return Saving(pairs=0, mean=0.0, interval=None)
    mean, interval = fmean(differences), None
    if len(differences) > 1 and intervals:
        from scipy.stats import t as student

        half = float(student.ppf((1 + LEVEL) / 2, len(differences) - 1)) * stdev(differences)
        half /= math.sqrt(len(differences))
        interval = (mean - half, mean + half)
    return Saving(pairs=len(differences), mean=mean, interval=interval)
