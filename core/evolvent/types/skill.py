"""Skills: what is proposed, what is kept, and the evidence in between."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from evolvent.types._base import Frozen, JsonValue

__all__ = [
    "AdmissionReport",
    "Mover",
    "Skill",
    "SkillCase",
    "SkillHit",
    "SkillMove",
    "SkillProposal",
    "SkillState",
    "StageResult",
]


class SkillState(StrEnum):
    """Where a version of a skill is in its life; `library.lifecycle` has the moves between them."""

    CANDIDATE = "candidate"
    """Proposed; admission has not ended."""
    PROBATION = "probation"
    """Admitted and used, while trials show whether it helps."""
    ACTIVE = "active"
    """Used; trials have shown that it helps, or a person vouches for it."""
    STALE = "stale"
    """Not used until its tests pass again: it was not needed for long, or something that it rests on changed."""
    RETIRED = "retired"
    """Out of use: it harms, costs more than it gives, was replaced, or a person said so."""
    QUARANTINED = "quarantined"
    """Out of use until a person looks at it: its folder or its behaviour is not what was admitted."""
    REJECTED = "rejected"
    """Refused by admission."""

    @property
    def usable(self) -> bool:
        """Whether skills in this state are offered to agents."""
        return self in (SkillState.PROBATION, SkillState.ACTIVE)


Mover = Literal["admission", "trials", "audit", "person"]
"""Who moves a skill from state to state."""


class SkillMove(Frozen):
    """One step in the life of a version of a skill, as it is kept in its folder and in the ledger."""

    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    before: SkillState
    after: SkillState
    by: Mover
    reason: str
    evidence: dict[str, JsonValue] = Field(default_factory=dict)


class SkillCase(Frozen):
    """One question with the answer that it must get: a test that ships with a skill."""

    question: str
    expected: JsonValue
    task_id: str = ""
    answer: JsonValue = None
    """What was judged right at admission, where it is not the expected value itself."""


class SkillProposal(Frozen):
    """A skill that a meta agent would like to have; nothing of it is trusted yet."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)
    description: str = Field(min_length=1, max_length=1024)
    """What the skill does and when to use it."""
    body: str = Field(min_length=1, max_length=50_000)
    """The Markdown below the front matter of SKILL.md."""
    script: str | None = Field(default=None, max_length=100_000)
    """Python source that defines `solve(question: str)`; it returns the answer, or None when the question
    is not of its kind."""
    sources: tuple[str, ...] = ()
    """Ids of the tasks that it was written from; they may not be used to admit it."""


class Skill(Frozen):
    """A skill as it lies in its folder."""

    name: str
    description: str
    body: str
    script: str | None = None
    state: SkillState = SkillState.ACTIVE
    digest: str
    """Content hash of name, description, body, script, allowed tools and further files: the skill's version."""
    metadata: dict[str, str] = Field(default_factory=dict)
    cases: tuple[SkillCase, ...] = ()
    """The cases of tests/cases.json."""
    reason: str = ""
    """Why it is in its state; empty while it is active."""
    license: str = ""
    compatibility: str = ""
    allowed_tools: tuple[str, ...] = ()
    """Tools that it says it needs; it gets no others."""
    files: dict[str, str] = Field(default_factory=dict)
    """Further files of the folder (`references/`, `assets/`, other scripts): relative path to content hash."""
    pinned: bool = False
    """Whether a person holds on to this version: the machine neither replaces nor retires it."""


class SkillHit(Frozen):
    """A skill that the router found for a query."""

    name: str
    description: str
    score: float
    """Fused score; higher is better."""
    similarity: float
    """Cosine similarity of the best chunk, in [-1, 1]."""
    probability: float = 0.0
    """Calibrated probability that it is the right one; the router abstains below a threshold."""
    callable: bool
    """Whether it has a script that answers without a model call."""


class StageResult(Frozen):
    """The outcome of one stage of admission."""

    stage: str
    """`format`, `static`, `requires`, `guards`, `tests`, `falsify`, `repeat` or `duplicate`."""
    passed: bool
    reason: str = ""
    evidence: dict[str, JsonValue] = Field(default_factory=dict)


class AdmissionReport(Frozen):
    """All stages that a proposal went through, in order; the last one decides."""

    name: str
    digest: str
    admitted: bool
    stages: tuple[StageResult, ...]

    @property
    def reason(self) -> str:
        """Why it was rejected, or what admitted it."""
        last = self.stages[-1]
        if self.admitted:
            return last.reason
        return f"{last.stage}: {last.reason}" if last.reason else last.stage
