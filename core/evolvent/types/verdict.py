"""What the kernel found when it judged an answer."""

from __future__ import annotations

from pydantic import Field

from evolvent.types._base import Frozen, JsonValue

__all__ = ["Verdict"]


class Verdict(Frozen):
    """The judgement of one answer, computed on the host from values."""

    score: float = Field(ge=0, le=1, allow_inf_nan=False)
    """Quality in [0, 1]; 1 is a full pass."""
    passed: bool
    feedback: str = ""
    """What was wrong, in words for the solver; does not give the expected answer away."""
    expected: JsonValue = None
    """The expected answer where there is one; shown to the meta agent on train tasks only."""
    evidence: dict[str, JsonValue] = Field(default_factory=dict)
    """Further facts for people, such as failing cases and captured output."""
    evaluator: str = ""
    """Name of the evaluator that judged."""
