"""Questions to a person, on which a run waits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from evolvent.types._base import Frozen, JsonValue

__all__ = ["ApprovalRequest"]


class ApprovalRequest(Frozen):
    """Something that a person must decide."""

    id: str
    run_id: str
    session_id: str
    """The guest session that waits: `run#1` for the first attempt, `run#learn` for learning."""
    kind: Literal["tool_call", "skill", "modification"]
    subject: dict[str, JsonValue] = Field(default_factory=dict)
    """What is to be decided on: for a tool call `tool`, `arguments` and `touches`."""
    reason: str = ""
    """Why a person is asked."""
    asked_at: str = ""
    """ISO 8601, UTC."""
    verdict: Literal["approve", "reject"] | None = None
    """None while nobody has decided."""
    answer: str = ""
    """What the person said to it."""
