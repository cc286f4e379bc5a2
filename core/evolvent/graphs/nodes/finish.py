"""finish: the result of a solve."""

from __future__ import annotations

from typing import Any

from evolvent.graphs.services import Services
from evolvent.graphs.state import SolveState
from evolvent.types import RunFinished, SolveResult

__all__ = ["finish"]


def finish(state: SolveState, services: Services) -> dict[str, Any]:
    """Sum up, and record that the run ended."""
    last = state.attempt
    result = SolveResult(
        run_id=state.run_id,
        task_id=state.task.id,
        answer=last.answer,
        status=last.status,
        detail=last.detail,
        verdict=last.verdict,
        skills_used=last.skills_used,
        usage=state.usage,
        attempts=state.attempts,
        learned=state.learned,
        extras=state.extras,
    )
    services.runs.finish(state.run_id, last.status, result.model_dump(mode="json"))
    services.ledger.append(
        RunFinished(
            key=f"finished:{state.run_id}", run_id=state.run_id, status=last.status, usage=state.usage
        )
    )
    return {"result": result}
