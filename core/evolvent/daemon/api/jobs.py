"""Jobs: hand them in, see them, stop them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from pydantic import ConfigDict

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.pages import Limit, Offset, Page, page_of
from evolvent.daemon.api.problems import Problem
from evolvent.daemon.api.security import READ, SUBMIT
from evolvent.daemon.api.threads import blocking
from evolvent.errors import UnknownName, UsageError
from evolvent.types import Job, JobRequest, JobState, canonical_json

__all__ = ["router"]

router = APIRouter(prefix="/jobs", tags=["jobs"])


class JobSubmission(JobRequest):
    """What is handed in; `"3"` is no number here."""

    model_config = ConfigDict(strict=True)


Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="A request that is sent again with the same key and content finds the first job.",
    ),
]


@router.post("", dependencies=[SUBMIT], status_code=201, responses={200: {"model": Job}})
@blocking
def submit_job(here: Here, request: JobSubmission, response: Response, key: Key = None) -> Job:
    """Hand in a job. 201: it is new and will not be lost; 200: it was handed in before, under the same key."""
    if key is not None:
        key = key.removeprefix('"').removesuffix('"') or key  # RFC 8941 strings are quoted
        if request.key not in (None, key):
            raise Problem(
                422,
                "invalid",
                f"the header gives the key {key!r}, the body {request.key!r}; give one of them",
            )
        request = request.model_copy(update={"key": key})
    try:
        canonical_json(request.payload).encode()
    except ValueError as error:
        raise Problem(422, "invalid", f"body.payload is not JSON that can be stored: {error}") from None
    try:
        job, new = here.daemon.submit(JobRequest(**request.model_dump()))
    except UnknownName as error:
        raise Problem(422, "unknown-name", str(error), known=error.known) from None
    except UsageError as error:
        raise Problem(422, "invalid", str(error)) from None
    response.status_code = 201 if new else 200
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    return job


@router.get("", dependencies=[READ])
@blocking
def list_jobs(
    here: Here,
    state: Annotated[list[JobState] | None, Query(description="Only in these states.")] = None,
    kind: Annotated[str | None, Query(max_length=40)] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[Job]:
    """List jobs, newest first."""
    return page_of(here.daemon.queue.list(state, kind, limit + 1, offset), limit, offset)


@router.get("/{job_id}", dependencies=[READ])
@blocking
def get_job(here: Here, job_id: str) -> Job:
    """Return a job by its id or a unique beginning of it."""
    return here.daemon.queue.get(job_id)


@router.post("/{job_id}/cancel", dependencies=[SUBMIT])
@blocking
def cancel_job(here: Here, job_id: str) -> Job:
    """Cancel a job; one that runs is asked to stop, and one that has ended stays as it is."""
    return here.daemon.cancel(job_id)


@router.post("/{job_id}/retry", dependencies=[SUBMIT])
@blocking
def retry_job(here: Here, job_id: str) -> Job:
    """Queue a dead job again, with all its tries."""
    return here.daemon.retry(job_id)
