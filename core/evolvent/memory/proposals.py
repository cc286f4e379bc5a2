"""What becomes of a lesson that a meta agent proposes: active, unproven, or over before it began."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from evolvent.memory.claims import TOOL, tool_outcomes
from evolvent.memory.taint import repeats, restates_the_judge
from evolvent.types import Attempt, Exchange, LessonKind, LessonState, Task

__all__ = ["Decided", "LessonProposal", "decide"]


class LessonProposal(BaseModel):
    """A lesson as `meta_agent.learn` returns it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(min_length=1, max_length=2000)
    situation: str = Field(min_length=1, max_length=20_000)
    kind: LessonKind = "principle"
    conditions: tuple[str, ...] = Field(default=(), max_length=10)
    subject: str = Field(default="", max_length=300)
    """What an environment claim is about; `tool:NAME` can be probed."""


class Decided(NamedTuple):
    """In which state a lesson begins, and why."""

    state: LessonState
    reason: str


def decide(
    proposal: LessonProposal,
    task: Task,
    attempts: Sequence[Attempt],
    exchanges: Sequence[Exchange],
    labels: tuple[str, ...],
) -> Decided:
    """Decide on a proposed lesson.

    Args:
        proposal: what the meta agent wrote.
        task: what the attempts were about.
        attempts: the run's attempts.
        exchanges: all that they asked and heard, and the learning session.
        labels: of all these exchanges and tasks; see `labels_of`.
    """
    if proposal.kind == "environment":
        return Decided(*_claim(proposal, exchanges))
    verified = proposal.kind == "example" and proposal.situation == task.prompt and not task.untrusted
    if not labels or (verified and restates_the_judge(proposal.text, attempts, task)):
        return Decided(LessonState.ACTIVE, "")
    echoed = repeats(proposal.text, exchanges)
    what = f"it repeats {echoed}, which was recalled" if echoed else f"learned beside {', '.join(labels[:5])}"
    return Decided(LessonState.UNPROVEN, f"{what}; waits for the same from a clean attempt")


def _claim(proposal: LessonProposal, exchanges: Sequence[Exchange]) -> tuple[LessonState, str]:
    """A claim about the environment comes from one failure by nature: it always waits for a second one."""
    tool = proposal.subject.removeprefix(TOOL) if proposal.subject.startswith(TOOL) else ""
    if tool and tool_outcomes(exchanges).get(tool):
        return LessonState.EXPIRED, f"{proposal.subject} answered in the same run"
    waits = f"a second failure of {tool} in another run" if tool else "the same from another task"
    return LessonState.UNPROVEN, f"one failure proves nothing; waits for {waits}"
