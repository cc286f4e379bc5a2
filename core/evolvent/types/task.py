"""A task and what of it the guest may see."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self

from pydantic import Field, model_validator

from evolvent.types._base import Frozen, JsonValue, digest

__all__ = ["Split", "Task", "TaskView"]


class Split(StrEnum):
    """Which part of a suite a task belongs to; the parts are disjoint."""

    TRAIN = "train"
    """The agent practises on it and sees feedback."""
    GATE = "gate"
    """Decides acceptance; the agent sees nothing of its outcome."""
    SEALED = "sealed"
    """Only reported; never decides anything."""


class TaskView(Frozen):
    """The part of a task that enters the sandbox."""

    id: str
    prompt: str
    inputs: dict[str, JsonValue] = Field(default_factory=dict)


class Task(Frozen):
    """A prompt with inputs, and on the host what an evaluator needs to judge an answer."""

    id: str = ""
    """Stable identity; derived from the content when left empty."""
    prompt: str = Field(min_length=1)
    inputs: dict[str, JsonValue] = Field(default_factory=dict)
    """Further JSON values that the guest sees beside the prompt."""
    untrusted: tuple[str, ...] = ()
    """Names of inputs that hold text of unknown origin (a web page, a mail); nothing is learned from them unchecked."""
    suite: str | None = None
    family: str | None = None
    """Tasks of one family are of one kind; reports group by it. The guest is not told."""
    split: Split | None = None
    evaluator: str | None = None
    """Name of a registered evaluator; None means that nobody can judge the answer."""
    reference: JsonValue = Field(default=None, repr=False)
    """What the evaluator compares with. Never enters a sandbox or a prompt of gate or sealed tasks."""

    @model_validator(mode="before")
    @classmethod
    def _derive_id(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("id"):
            keys = ("prompt", "inputs", "suite", "split", "reference")
            return {**data, "id": "t-" + digest({key: data.get(key) for key in keys})}
        return data

    @model_validator(mode="after")
    def _knows_what_it_distrusts(self) -> Self:
        unknown = [name for name in self.untrusted if name not in self.inputs]
        if unknown:
            known = ", ".join(map(repr, self.inputs)) or "none"
            raise ValueError(f"untrusted names {unknown[0]!r}, which is no input; inputs: {known}")
        return self

    def view(self) -> TaskView:
        """Return what the guest may see."""
        return TaskView(id=self.id, prompt=self.prompt, inputs=self.inputs)
