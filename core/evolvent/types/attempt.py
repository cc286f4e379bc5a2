"""One try of the solver at a task, and what a whole solve returns."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from evolvent.types._base import Frozen, JsonValue
from evolvent.types.approval import ApprovalRequest
from evolvent.types.lesson import Lesson
from evolvent.types.skill import AdmissionReport
from evolvent.types.task import TaskView
from evolvent.types.usage import Usage
from evolvent.types.verdict import Verdict

__all__ = ["Attempt", "Learned", "SolveResult", "SolveStatus", "Step"]

SolveStatus = Literal["solved", "failed", "answered", "gave_up", "budget", "error", "waiting"]
"""`solved`/`failed`: judged; `answered`: nobody can judge it; `gave_up`: the agent said so; `budget`: a bound
was reached first; `error`: the agent program broke; `waiting`: a person must decide on something first."""


class Step(Frozen):
    """One request of the guest to the broker, as the trajectory keeps it."""

    method: str
    summary: str
    """At most 300 characters for people."""
    usage: Usage = Usage()
    ok: bool = True


class Attempt(Frozen):
    """One run of the solver on a task."""

    id: str
    run_id: str
    task: TaskView
    number: int = Field(ge=1)
    """1 for the first try at the task."""
    answer: JsonValue = None
    status: SolveStatus
    detail: str = ""
    """Which budget was spent, why the agent gave up, or what broke."""
    verdict: Verdict | None = None
    skills_used: tuple[str, ...] = ()
    """Skills whose answer was returned."""
    skills_withheld: tuple[str, ...] = ()
    """Skills that would have answered, but were left out to learn whether they help."""
    usage: Usage = Usage()
    trajectory: tuple[Step, ...] = ()


class Learned(Frozen):
    """What came of the learn node."""

    report: AdmissionReport | None = None
    lesson: Lesson | None = None
    detail: str = ""
    """Why nothing was learned, where that is worth saying."""
    taint: tuple[str, ...] = ()
    """What the attempts had read that may not be learned from unchecked: `memory`, `untrusted:tool:NAME`, …"""
    usage: Usage = Usage()


class SolveResult(Frozen):
    """What `Runtime.solve` returns."""

    run_id: str
    task_id: str
    answer: JsonValue = None
    status: SolveStatus
    detail: str = ""
    verdict: Verdict | None = None
    skills_used: tuple[str, ...] = ()
    usage: Usage = Usage()
    """All attempts together."""
    attempts: tuple[Attempt, ...] = ()
    learned: Learned | None = None
    """What the meta agent made of it, where it was asked."""
    pending: tuple[ApprovalRequest, ...] = ()
    """What the run waits for; `Runtime.answer` goes on with it."""
    extras: dict[str, JsonValue] = Field(default_factory=dict)
    """What plugins added around the nodes, by their declared keys."""
