"""What happens at the moment: jobs, budgets, what holds the daemon, and the newest events."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.threads import blocking
from evolvent.daemon.dashboard.happenings import happening
from evolvent.daemon.dashboard.live import newest_events
from evolvent.daemon.dashboard.rendering import HEADERS, back, fragment, show
from evolvent.daemon.dashboard.session import Decides, Looks, Submits, Viewer
from evolvent.errors import UsageError
from evolvent.types import JobRequest, JobState

__all__ = ["router"]

router = APIRouter()

QUEUED, ENDED, EVENTS = 20, 8, 60
FRESH = 0.5
"""Seconds for which open pages are told the same; less than they wait after an event (`SOON` of dashboard.js)."""


@router.get("/", response_class=HTMLResponse)
@blocking
def now(
    request: Request, here: Here, viewer: Looks, made: Annotated[str, Query(max_length=40)] = ""
) -> HTMLResponse:
    """Show what happens."""
    return _show(request, here, viewer, made=made)


@router.get("/now/parts", response_class=HTMLResponse)
@blocking
def parts(here: Here, viewer: Looks) -> HTMLResponse:
    """Return the part of the page that changes; pages that are open at once ask for it together."""
    anybody = Viewer(viewer.token, "")  # of these scopes: the forms' token is what differs

    def make() -> str:
        return fragment(anybody, "now_parts.html", **_parts(here))

    shown = here.memo.get(("now", viewer.token.scopes), FRESH, make)
    return HTMLResponse(shown.replace(anybody.csrf, viewer.csrf), headers=HEADERS)


@router.post("/now/submit")
@blocking
def submit(
    request: Request,
    here: Here,
    viewer: Submits,
    prompt: Annotated[str, Form(max_length=500_000)] = "",
    key: Annotated[str, Form(max_length=60)] = "",
) -> Response:
    """Hand in a question. A form that is sent twice hands it in once."""
    try:
        if not prompt.strip():
            raise UsageError("the question is empty; write what is to be answered")
        asked = JobRequest(
            payload={"prompt": prompt.replace("\r\n", "\n")}, key=f"page:{key}" if key else None
        )
        job, _ = here.daemon.submit(asked)
    except UsageError as error:
        return _show(request, here, viewer, 422, prompt=prompt, fault=str(error))
    return back(f"/?made={job.id}")


@router.post("/now/pause")
@blocking
def pause(here: Here, _: Decides, reason: Annotated[str, Form(max_length=1000)] = "") -> Response:
    """Begin no more jobs."""
    here.daemon.pause(reason.strip())
    return back("/")


@router.post("/now/resume")
@blocking
def resume(here: Here, _: Decides) -> Response:
    """Begin jobs again."""
    here.daemon.resume()
    return back("/")


def _show(
    request: Request,
    here: Here,
    viewer: Viewer,
    code: int = 200,
    *,
    made: str = "",
    prompt: str = "",
    fault: str = "",
) -> HTMLResponse:
    last, events = newest_events(here, EVENTS)
    return show(
        request,
        viewer,
        "now.html",
        code,
        made=made,
        prompt=prompt,
        fault=fault,
        key=uuid.uuid4().hex,
        last=last,
        events=[(number, event.at, happening(event)) for number, event in events],
        **_parts(here),
    )


def _parts(here: Here) -> dict[str, Any]:
    queue, status = here.daemon.queue, here.daemon.status()
    return {
        "status": status,
        "running": queue.list([JobState.RUNNING], limit=64),
        "waiting": queue.list([JobState.WAITING], limit=QUEUED),
        "queued": queue.list([JobState.QUEUED], limit=QUEUED),
        "ended": queue.list([state for state in JobState if state.ended], limit=ENDED),
    }
