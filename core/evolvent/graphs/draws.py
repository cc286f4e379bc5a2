"""Which skills that apply does an attempt get? Some are withheld at random, to learn whether they help."""

from __future__ import annotations

from dataclasses import dataclass

from evolvent.graphs.state import SolveState
from evolvent.settings import Settings
from evolvent.storage import SkillTrials
from evolvent.types import Skill, SkillState, Split

__all__ = ["SkillDraws", "draws_for"]


@dataclass(frozen=True)
class SkillDraws:
    """The draws of one attempt."""

    trials: SkillTrials
    attempt_id: str
    task_id: str
    seed: int
    shares: dict[SkillState, float]
    """Share of the solves that go without, by the state of the skill; empty: none does."""

    def gives(self, skill: Skill) -> bool:
        """Whether the attempt gets this skill, which applies; the same attempt always hears the same."""
        share = 0.0 if skill.pinned else self.shares.get(skill.state, 0.0)
        arm = self.trials.draw(
            self.attempt_id, self.task_id, skill.name, skill.digest, 1.0 - share, self.seed
        )
        return arm == "with"


def draws_for(
    state: SolveState, attempt_id: str, settings: Settings, trials: SkillTrials
) -> SkillDraws | None:
    """Return the draws of an attempt; None for tasks that only measure: they decide nothing, so nothing is recorded."""
    task = state.task
    if task.split in (Split.GATE, Split.SEALED):
        return None
    drawn = state.trials and (
        settings.trials == "all" or (settings.trials == "judged" and task.evaluator is not None)
    )
    shares = {SkillState.PROBATION: settings.probation_share, SkillState.ACTIVE: settings.trial_share}
    return SkillDraws(trials, attempt_id, task.id, state.seed, shares if drawn else {})
