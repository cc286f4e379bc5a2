"""What a guest may ask for: one closed pydantic model a method, with bounds on everything."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from evolvent.types import Frozen, JsonValue

__all__ = [
    "REQUESTS",
    "BudgetRequest",
    "CompleteRequest",
    "LogRequest",
    "MemorySearchRequest",
    "Message",
    "RunPythonRequest",
    "SkillContextRequest",
    "SkillReadRequest",
    "SkillRunRequest",
    "SkillSearchRequest",
    "ToolCallRequest",
    "ToolListRequest",
]

TEXT = 200_000
"""Characters of one text field."""


class Message(Frozen):
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str = Field(max_length=TEXT)


class CompleteRequest(Frozen):
    """`model.complete`: ask the model."""

    messages: tuple[Message, ...] = Field(min_length=1, max_length=200)
    schema_: dict[str, JsonValue] | None = Field(default=None, alias="schema")
    """A JSON schema that the answer must satisfy."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1, le=32_768)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    stop: tuple[str, ...] = Field(default=(), max_length=8)


class SkillSearchRequest(Frozen):
    """`skills.search`: which skills fit a text."""

    query: str = Field(max_length=TEXT)
    limit: int = Field(default=3, ge=1, le=20)


class SkillContextRequest(Frozen):
    """`skills.context`: what a prompt should say of the skills that fit a text, within a budget of tokens."""

    query: str = Field(max_length=TEXT)
    tokens: int = Field(default=800, ge=50, le=8_000)
    """About four characters each."""
    callable: bool | None = None
    """Only skills that have a script (or, when false, have none)."""


class SkillReadRequest(Frozen):
    """`skills.read`: a whole skill."""

    name: str = Field(max_length=64)


class SkillRunRequest(Frozen):
    """`skills.run`: call a skill's script in a sandbox of its own."""

    name: str = Field(max_length=64)
    question: str = Field(max_length=TEXT)


class MemorySearchRequest(Frozen):
    """`memory.search`: lessons that fit a text."""

    query: str = Field(max_length=TEXT)
    limit: int = Field(default=3, ge=1, le=20)


class ToolListRequest(Frozen):
    """`tools.list`: the tools that are not denied, with their schemas."""


class ToolCallRequest(Frozen):
    """`tools.call`: call a tool that the host granted."""

    name: str = Field(max_length=200)
    arguments: dict[str, JsonValue] = Field(default_factory=dict)


class RunPythonRequest(Frozen):
    """`run_python`: call a function of a source in a sandbox of its own."""

    source: str = Field(max_length=TEXT)
    function: str = Field(pattern=r"^[A-Za-z_]\w*$", max_length=100)
    calls: tuple[tuple[JsonValue, ...], ...] = Field(min_length=1, max_length=500)
    wall_seconds: float | None = Field(default=None, gt=0, le=60)


class BudgetRequest(Frozen):
    """`budget`: what is left."""


class LogRequest(Frozen):
    """`log`: a remark for people."""

    text: str = Field(max_length=10_000)


REQUESTS: dict[str, type[Frozen]] = {
    "model.complete": CompleteRequest,
    "skills.search": SkillSearchRequest,
    "skills.context": SkillContextRequest,
    "skills.read": SkillReadRequest,
    "skills.run": SkillRunRequest,
    "memory.search": MemorySearchRequest,
    "tools.list": ToolListRequest,
    "tools.call": ToolCallRequest,
    "run_python": RunPythonRequest,
    "budget": BudgetRequest,
    "log": LogRequest,
}
"""Every method of the broker. Nothing else is answered."""
