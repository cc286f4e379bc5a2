"""Jobs: all of them, and one with what came of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.pages import Offset, page_of
from evolvent.daemon.api.threads import blocking
from evolvent.daemon.dashboard.rendering import back, show
from evolvent.daemon.dashboard.session import Looks, Submits
from evolvent.types import JobState

__all__ = ["router"]

router = APIRouter(prefix="/jobs")

LIMIT = 50


@router.get("", response_class=HTMLResponse)
@blocking
def jobs(
    request: Request,
    here: Here,
    viewer: Looks,
    state: Annotated[JobState | None, Query()] = None,
    offset: Offset = 0,
) -> HTMLResponse:
    """List jobs, newest first."""
    queue = here.daemon.queue
    page = page_of(queue.list(None if state is None else [state], None, LIMIT + 1, offset), LIMIT, offset)
    return show(
        request,
        viewer,
        "jobs.html",
        page=page,
        state=state,
        counts=queue.counts(),
        limit=LIMIT,
        offset=offset,
    )


@router.get("/{job_id}", response_class=HTMLResponse)
@blocking
def job(request: Request, here: Here, viewer: Looks, job_id: str) -> HTMLResponse:
    """Show a job."""
    found = here.daemon.queue.get(job_id)
    begun = here.daemon.runtime.runs.find(found.run_id) is not None
    return show(request, viewer, "job.html", job=found, begun=begun)


@router.post("/{job_id}/cancel")
@blocking
def cancel(here: Here, job_id: str, _: Submits) -> Response:
    """Cancel a job."""
    return back(f"/jobs/{here.daemon.cancel(job_id).id}")


@router.post("/{job_id}/retry")
@blocking
def retry(here: Here, job_id: str, _: Submits) -> Response:
    """Queue a job again that was given up."""
    return back(f"/jobs/{here.daemon.retry(job_id).id}")
