"""solve: the genome's task agent, or a plugin's strategy, answers the task."""

from __future__ import annotations

import time
from typing import Any

from evolvent.broker import Broker, Meter
from evolvent.graphs.draws import draws_for
from evolvent.graphs.guest import run_guest
from evolvent.graphs.services import Services
from evolvent.graphs.state import SolveState
from evolvent.graphs.strategy import run_strategy
from evolvent.types import Attempt, JsonValue, SolveStatus, Usage

__all__ = ["solve"]

_STATUS: dict[str, SolveStatus] = {
    "returned": "answered",
    "gave_up": "gave_up",
    "budget": "budget",
    "error": "error",
}


def solve(state: SolveState, services: Services) -> dict[str, Any]:
    """Make one attempt. Its id names its journal, so a resumed attempt goes on where it was."""
    number = len(state.attempts) + 1
    attempt_id = f"{state.run_id}#{number}"
    meter = Meter(state.budget, state.usage)
    draws = draws_for(state, attempt_id, services.settings, services.trials)
    broker = services.broker(
        state.run_id, attempt_id, meter, can_ask=state.can_ask, draws=draws, counts=state.open_book
    )
    started = time.monotonic()
    seed = state.seed + 1000 * (number - 1)
    if services.settings.strategy == "genome":
        outcome = run_guest(
            services,
            broker,
            meter,
            ("task_agent", "solve"),
            [state.task.view().model_dump(mode="json")],
            {"feedback": list(state.feedback), "seed": seed},
        )
    else:
        outcome = run_strategy(services, broker, meter, state, seed, draws)
    elapsed = max(0.0, time.monotonic() - started)
    spent = meter.usage.model_copy(
        update={"seconds": max(meter.usage.seconds, state.usage.seconds + elapsed)}
    )
    attempt = Attempt(
        id=attempt_id,
        run_id=state.run_id,
        task=state.task.view(),
        number=number,
        answer=outcome.value,
        status=_STATUS[outcome.ended],
        detail=outcome.detail,
        skills_used=_skills_behind(outcome.value, broker) if outcome.ended == "returned" else (),
        skills_withheld=services.trials.withheld(attempt_id) if draws is not None else (),
        usage=_since(spent, state.usage),
        trajectory=tuple(broker.steps),
    )
    return {"attempts": (attempt,), "usage": spent}


def _skills_behind(answer: JsonValue, broker: Broker) -> tuple[str, ...]:
    """Return the skills that gave exactly the returned answer."""
    return tuple(
        str(params["name"])
        for method, params, result in broker.exchanges
        if method == "skills.run"
        and isinstance(result, dict)
        and result["applicable"]
        and result["answer"] == answer
    )


def _since(usage: Usage, before: Usage) -> Usage:
    return Usage(
        input_tokens=usage.input_tokens - before.input_tokens,
        output_tokens=usage.output_tokens - before.output_tokens,
        model_calls=usage.model_calls - before.model_calls,
        dollars=max(0.0, usage.dollars - before.dollars),
        seconds=max(0.0, usage.seconds - before.seconds),
    )
