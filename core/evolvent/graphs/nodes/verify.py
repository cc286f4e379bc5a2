"""verify: the task's evaluator judges the answer on the host."""

from __future__ import annotations

from typing import Any

from evolvent.graphs.services import Services
from evolvent.graphs.state import SolveState
from evolvent.types import Attempt, Verdict

__all__ = ["judge", "verify"]


def verify(state: SolveState, services: Services) -> dict[str, Any]:
    """Replace the newest attempt by the judged one, keep it as an episode, and let it count for the skills in it."""
    judged = judge(state, services)
    services.memory.keep_attempt(judged, counts=state.open_book)
    services.skill_review.close(judged)
    passed = judged.verdict is not None and judged.verdict.passed
    services.retrievals.keep(
        judged.id,
        state.run_id,
        state.task.prompt if state.open_book else "",  # what only measures is counted, and tunes nothing
        offered=state.recalled,
        library=services.router.size(),
        judged=judged.verdict is not None,
        proven=judged.skills_used if passed else (),
    )
    return {"attempts": (judged,)}


def judge(state: SolveState, services: Services) -> Attempt:
    """Return the newest attempt with its verdict; without an evaluator nothing changes."""
    attempt, task = state.attempt, state.task
    if task.evaluator is None:
        return attempt
    if attempt.status != "answered":
        verdict = Verdict(
            score=0.0,
            passed=False,
            feedback=f"There was no answer ({attempt.status}).",
            evaluator=task.evaluator,
        )
        return attempt.model_copy(update={"verdict": verdict})
    verdict = services.evaluators(task.evaluator).evaluate(
        task, attempt.answer, services.sandbox.forkserver()
    )
    status = "solved" if verdict.passed else "failed"
    return attempt.model_copy(update={"verdict": verdict, "status": status})
