"""Trials decide what becomes of a skill in use."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import Field

from evolvent.errors import EvolventError
from evolvent.library.composition import dependents
from evolvent.library.evidence import Evidence, weigh
from evolvent.library.store import SkillStore
from evolvent.storage.trials import SkillTrials
from evolvent.types import Attempt, Frozen, Skill, SkillState

__all__ = ["Ruling", "SkillReview", "TrialPolicy", "rule"]

_log = logging.getLogger(__name__)


class TrialPolicy(Frozen):
    """How sure is sure enough."""

    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Probability of an error that each sequential test may have, however often it is looked at."""
    margin: float = Field(default=0.1, ge=0, lt=1)
    """Loss of score that counts as none when a skill saves cost."""
    change: float = Field(default=1000.0, gt=1)
    """Judged solves after which an active skill that harms nothing is retired by mistake, at the least on average."""
    longest: int = Field(default=200, ge=1)
    """Judged solves after which a probation ends: what is cheaper stays, what showed nothing until then is retired."""
    window: int = Field(default=1000, ge=1)
    """Newest judged solves that are looked at."""


class Ruling(NamedTuple):
    """Where a skill should go, and why."""

    after: SkillState
    reason: str


def rule(state: SkillState, evidence: Evidence, policy: TrialPolicy) -> Ruling | None:
    """Return where the evidence moves a skill, or None where it is not enough.

    Ties go to the cheaper: a skill that is not worse by more than the margin stays when it saves tokens (or seconds,
    where no tokens are spent), and goes when it costs some.
    """
    sure = 1 / policy.alpha
    told = _told(evidence)
    if state is SkillState.ACTIVE:
        if evidence.harms_lately >= policy.change:
            return Ruling(SkillState.RETIRED, f"harms: {told} (e-detector {evidence.harms_lately:.3g})")
        return None
    if state is not SkillState.PROBATION:
        return None
    if evidence.harms >= sure:
        return Ruling(SkillState.RETIRED, f"harms: {told} (e-value {evidence.harms:.3g})")
    if evidence.helps >= sure:
        return Ruling(SkillState.ACTIVE, f"helps: {told} (e-value {evidence.helps:.3g})")
    if evidence.not_worse >= sure and evidence.cheaper >= sure:
        return Ruling(SkillState.ACTIVE, f"as good and cheaper: {told} (e-value {evidence.cheaper:.3g})")
    if evidence.not_worse >= sure and evidence.dearer >= sure:
        return Ruling(SkillState.RETIRED, f"no better and dearer: {told} (e-value {evidence.dearer:.3g})")
    if evidence.drawn >= policy.longest:
        if evidence.cheaper >= sure:
            return Ruling(SkillState.ACTIVE, f"cheaper, and no harm shown: {told}")
        return Ruling(SkillState.RETIRED, f"no gain shown: {told}")
    return None


class SkillReview:
    """Moves skills by their trials.

    Args:
        store: the skills.
        trials: what was found while they were used.
        policy: how sure is sure enough.
    """

    def __init__(self, store: SkillStore, trials: SkillTrials, policy: TrialPolicy | None = None) -> None:
        self._store, self._trials = store, trials
        self.policy = policy or TrialPolicy()

    def close(self, attempt: Attempt) -> list[Skill]:
        """Write what came of an attempt into its trials, and return the skills that this moved; safe to repeat."""
        moved = []
        for name, digest in self._trials.close(attempt):
            skill = self.review(name, digest)
            if skill is not None:
                moved.append(skill)
        return moved

    def review(self, name: str, digest: str) -> Skill | None:
        """Move one version of a skill if its evidence says so, and return it as it then is.

        What is no longer there, pinned, or changed by hand stays as it is.
        """
        skill = self._store.find(name)
        if skill is None or skill.digest != digest or skill.pinned or not skill.state.usable:
            return None
        newest = self._trials.of(name, digest, drawn=self.policy.window)
        ruling = rule(
            skill.state, weigh(name, digest, newest, self.policy.margin, intervals=False), self.policy
        )
        if ruling is None:
            return None
        try:
            evidence = weigh(name, digest, newest, self.policy.margin)
            shown = evidence.model_dump(mode="json", exclude={"skill", "digest"})
            moved = self._store.move(name, ruling.after, ruling.reason, "trials", shown)
        except EvolventError as error:
            _log.warning("the trials of %s moved nothing: %s", name, error)
            return None
        if moved.state is SkillState.RETIRED:
            self._shelve_callers(name)
        return moved

    def _shelve_callers(self, name: str) -> None:
        """Take skills that call a retired one out of use until their tests pass again; `audit --retest` runs them."""
        for caller in dependents(self._store, name):
            if not caller.state.usable:
                continue
            try:
                self._store.move(
                    caller.name, SkillState.STALE, f"it calls {name}, which was retired", "trials"
                )
            except EvolventError as error:
                _log.warning("%s calls %s, which was retired, and stays: %s", caller.name, name, error)

    def utility(self, versions: Sequence[tuple[str, str]]) -> Mapping[str, tuple[float, float]]:
        """Return name -> (alpha, beta) of the Beta posterior of the score with a skill, for those that were tried.

        Args:
            versions: (name, digest) of skills.
        """
        found = self._trials.scores(versions)
        return {name: (1.0 + right, 1.0 + wrong) for (name, _), (right, wrong) in found.items()}

    def evidence(self, name: str, digest: str) -> Evidence:
        """Return what the trials of one version say."""
        return weigh(name, digest, self._trials.of(name, digest), self.policy.margin)


def _told(evidence: Evidence) -> str:
    given, withheld = evidence.given, evidence.withheld
    parts = []
    for arm, word in ((given, "with"), (withheld, "without")):
        if arm.score is not None:
            solves = "solve" if arm.judged == 1 else "solves"
            parts.append(f"score {arm.score:.2f} {word} it in {arm.judged} {solves}")
    if evidence.tokens_saved.pairs:
        parts.append(f"{evidence.tokens_saved.mean:+.0f} tokens saved a solve")
    return ", ".join(parts) or "no judged solves"
