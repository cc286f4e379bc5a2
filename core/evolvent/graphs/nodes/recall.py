"""recall: which skills the library has for the task."""

from __future__ import annotations

from typing import Any

from evolvent.graphs.services import Services
from evolvent.graphs.state import SolveState

__all__ = ["recall"]


def recall(state: SolveState, services: Services) -> dict[str, Any]:
    """Record what the router finds, and that the run began."""
    title = " ".join(state.task.prompt.split())[:200]
    given = {"model": services.settings.model, "strategy": services.settings.strategy}
    services.runs.start(state.run_id, "solve", title, {"task_id": state.task.id, **given})
    hits = services.router.search(state.task.prompt, 5)
    return {"recalled": tuple(hit.name for hit in hits)}
