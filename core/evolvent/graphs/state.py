"""The state of a solve, as it is checkpointed after every node."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from evolvent.types import (
    Attempt,
    Budget,
    Frozen,
    JsonValue,
    Learned,
    SolveResult,
    Split,
    Task,
    Usage,
)

__all__ = ["STATE_TYPES", "Material", "SolveState", "merge_attempts", "merge_extras"]


class Material(Frozen):
    """What a curriculum gives the meta agent to learn from, beside the attempts."""

    studied: tuple[Task, ...] = ()
    """Train tasks whose expected answers the meta agent may see."""
    cases: tuple[Task, ...] = ()
    """Train tasks that stay on the host and decide on admission."""
    foreign: tuple[str, ...] = ()
    """Questions of other kinds, which a skill must decline."""


def merge_attempts(known: tuple[Attempt, ...], new: tuple[Attempt, ...]) -> tuple[Attempt, ...]:
    """Add attempts; one with an id that is there takes its place, so a node may run twice."""
    merged = {attempt.id: attempt for attempt in (*known, *new)}
    return tuple(merged.values())


def merge_extras(known: dict[str, JsonValue], new: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Add values; a key that is there gets the newer one."""
    return {**known, **new}


class SolveState(BaseModel):
    """Input, progress and result of the solve graph.

    Only `run_id` and `task` must be given; everything else has a default.
    """

    model_config = ConfigDict(extra="forbid")

    run_id: str
    task: Task
    budget: Budget = Field(default_factory=Budget)
    seed: int = 0
    """Seeds the model's sampling."""
    material: Material | None = None
    """Makes the learn node ask for a skill, not only for a lesson."""

    can_ask: bool = True
    """Whether the run may wait for a person's decision; where it may not, what needs one is refused."""

    trials: bool = True
    """Whether skills may be withheld to learn whether they help; see the setting of this name."""

    recalled: tuple[str, ...] = ()
    """Skills that the router found for the task, for the record; the guest searches for itself."""
    attempts: Annotated[tuple[Attempt, ...], merge_attempts] = ()
    feedback: tuple[str, ...] = ()
    """What the verdicts said, for the next try."""
    usage: Usage = Usage()
    learned: Learned | None = None
    extras: Annotated[dict[str, JsonValue], merge_extras] = Field(default_factory=dict)
    """What plugins added around the nodes, by the keys that they declared."""
    result: SolveResult | None = None

    @property
    def attempt(self) -> Attempt:
        """The newest attempt."""
        return self.attempts[-1]

    @property
    def open_book(self) -> bool:
        """Whether the agent may see feedback: on train tasks and on those of no suite."""
        return self.task.split in (None, Split.TRAIN)


STATE_TYPES = (Material, SolveState)
"""Types that checkpoints hold beside those of `evolvent.types`."""
