"""Runs: a list, one of them, and one attempt step by step."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.pages import Offset, page_of
from evolvent.daemon.api.threads import blocking
from evolvent.daemon.dashboard.happenings import happening
from evolvent.daemon.dashboard.live import newest_events
from evolvent.daemon.dashboard.rendering import show
from evolvent.daemon.dashboard.session import Looks
from evolvent.errors import UnknownName
from evolvent.storage import exchanges_of
from evolvent.types import Attempt, Exchange

__all__ = ["router"]

router = APIRouter(prefix="/runs")

LIMIT, PARTS, STEPS, EVENTS = 50, 100, 50, 200

RunId = Annotated[str, Path(min_length=1)]


@router.get("", response_class=HTMLResponse)
@blocking
def runs(request: Request, here: Here, viewer: Looks, offset: Offset = 0) -> HTMLResponse:
    """List runs, newest first."""
    found = here.daemon.runtime.runs.list(LIMIT + 1, None, offset)
    return show(request, viewer, "runs.html", page=page_of(found, LIMIT, offset), limit=LIMIT, offset=offset)


# Ids of parts have slashes in them, so the longer route comes first.
@router.get("/{run_id:path}/attempts/{number}", response_class=HTMLResponse)
@blocking
def attempt(
    request: Request,
    here: Here,
    viewer: Looks,
    run_id: RunId,
    number: Annotated[int, Path(ge=1, le=1_000_000)],
    offset: Offset = 0,
) -> HTMLResponse:
    """Show an attempt: each request of the agent, and what it heard. One that goes on is shown as far as it is."""
    runtime = here.daemon.runtime
    run = runtime.runs.get(run_id)
    session = f"{run.id}#{number}"
    steps: tuple[Exchange, ...]
    try:
        episode = runtime.memory.episodes.get(session)
        judged: Attempt | None = episode.attempt
        steps, missing = episode.exchanges, episode.cut
    except UnknownName:
        judged = next((one for one in runtime.runs.attempts(run.id) if one.number == number), None)
        steps, missing = tuple(exchanges_of(runtime.services.engine, session)), ()
        if judged is None and not steps:
            raise
    return show(
        request,
        viewer,
        "attempt.html",
        run=run,
        number=number,
        attempt=judged,
        missing=missing,
        total=len(steps),
        page=page_of(steps[offset : offset + STEPS + 1], STEPS, offset),
        limit=STEPS,
        offset=offset,
    )


@router.get("/{run_id:path}", response_class=HTMLResponse)
@blocking
def run(request: Request, here: Here, viewer: Looks, run_id: RunId, offset: Offset = 0) -> HTMLResponse:
    """Show a run: its attempts, its parts, and what happened in it."""
    runtime = here.daemon.runtime
    found = runtime.runs.get(run_id)
    attempts = runtime.runs.attempts(found.id)
    parts = page_of(runtime.runs.list(PARTS + 1, found.id, offset), PARTS, offset)
    _, events = newest_events(here, EVENTS, found.id)
    going = len(attempts) + 1
    begun = found.result is None and exchanges_of(runtime.services.engine, f"{found.id}#{going}")
    return show(
        request,
        viewer,
        "run.html",
        run=found,
        attempts=attempts,
        going=going if begun else None,
        parts_page=parts,
        limit=PARTS,
        offset=offset,
        most=EVENTS,
        events=[(number, event.at, happening(event)) for number, event in events[::-1]],
    )
