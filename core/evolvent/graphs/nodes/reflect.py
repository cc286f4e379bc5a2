"""reflect: turn a failed verdict into feedback for the next try."""

from __future__ import annotations

from typing import Any

from evolvent.graphs.services import Services
from evolvent.graphs.state import SolveState

__all__ = ["reflect"]


def reflect(state: SolveState, services: Services) -> dict[str, Any]:
    """Say what was answered and what was wrong with it, without giving the expected answer away."""
    attempt = state.attempt
    words = attempt.verdict.feedback if attempt.verdict else ""
    remark = f"Your answer {str(attempt.answer)[:500]!r} was not right. {words}".strip()
    return {"feedback": (*state.feedback, remark)}
