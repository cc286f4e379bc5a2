"""What the stages of admission know of a proposal, and how they report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from evolvent.library.admission.harness import Outcome
from evolvent.library.admission.inputs import Probe
from evolvent.library.composition import Part, bundle
from evolvent.library.judging import Trial
from evolvent.library.script import without_main
from evolvent.types import Decision, JsonValue, Skill, SkillProposal, StageResult, Task

__all__ = ["Candidate", "Escalate", "Stage", "failed", "passed"]

Escalate = Callable[[SkillProposal, Decision], Decision]
"""Asks a person about a proposal that a guard escalated."""


@dataclass
class Candidate:
    """A proposal on its way through the stages, with what they have found out so far."""

    proposal: SkillProposal
    skill: Skill
    """The proposal as the skill that it would become."""
    cases: list[Task]
    """All tasks that were given, its sources included."""
    tasks: list[Task]
    """Those that may decide: judged, and not its sources."""
    foreign: list[str]
    escalate: Escalate | None = None
    trials: list[Trial] = field(default_factory=list)
    """The tasks with what the script answered; `tests` fills them."""
    probes: list[Probe] = field(default_factory=list)
    """Made-up inputs; `falsify` fills them, with what the script made of them in `answers`."""
    answers: list[Outcome] = field(default_factory=list)

    parts: list[Part] = field(default_factory=list)
    """The skills that it calls; `requires` fills them."""

    @property
    def script(self) -> str:
        """The script's source; empty where there is none."""
        return self.skill.script or ""

    @property
    def source(self) -> str:
        """The script without its command line, with the skills that it calls: what runs in the sandbox."""
        return self.bundled(without_main(self.script))

    def bundled(self, script: str) -> str:
        """Return a form of the script with the skills that it calls."""
        return bundle(script, self.parts)


Stage = Callable[[Candidate], StageResult | None]
"""Looks at a candidate; None: there is nothing for it to look at."""


def failed(stage: str, reason: str, **evidence: JsonValue) -> StageResult:
    """Return a refusal."""
    return StageResult(stage=stage, passed=False, reason=reason, evidence=evidence)


def passed(stage: str, reason: str = "", **evidence: JsonValue) -> StageResult:
    """Return that nothing speaks against the proposal here."""
    return StageResult(stage=stage, passed=True, reason=reason, evidence=evidence)
