"""Runs, their attempts, and what agents asked in them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.events import Numbered
from evolvent.daemon.api.pages import Limit, Offset, Page, page_of
from evolvent.daemon.api.security import READ
from evolvent.daemon.api.threads import blocking
from evolvent.storage.tables import RunRow
from evolvent.types import Attempt, Episode, JsonValue

__all__ = ["RunDetail", "RunSummary", "router"]

router = APIRouter(prefix="/runs", tags=["runs"], dependencies=[READ])

RunId = Annotated[str, Path(min_length=1, description="Its id, or a unique beginning of it.")]


class RunSummary(BaseModel):
    """A run: a solve, a learning job or an evolution run. Times are ISO 8601 in UTC."""

    id: str
    parent_id: str | None
    job: str
    title: str
    status: str
    created_at: str
    finished_at: str | None


class RunDetail(RunSummary):
    """A run with what it was given and what came of it."""

    config: dict[str, JsonValue]
    result: dict[str, JsonValue] | None


@router.get("")
@blocking
def list_runs(
    here: Here,
    parent: Annotated[str | None, Query(max_length=200, description="List the parts of this run.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[RunSummary]:
    """List runs, newest first."""
    rows = here.daemon.runtime.runs.list(limit + 1, parent, offset)
    return page_of([RunSummary(**_values(row, RunSummary)) for row in rows], limit, offset)


# Ids of parts have slashes in them, so the longer routes come first.
@router.get("/{run_id:path}/attempts/{number}")
@blocking
def get_attempt(here: Here, run_id: RunId, number: Annotated[int, Path(ge=1, le=1_000_000)]) -> Episode:
    """Return an attempt in full: all that its agent asked, and all that it heard."""
    runtime = here.daemon.runtime
    return runtime.memory.episodes.get(f"{runtime.runs.get(run_id).id}#{number}")


@router.get("/{run_id:path}/attempts")
@blocking
def list_attempts(here: Here, run_id: RunId) -> list[Attempt]:
    """List the attempts of a run, in order."""
    runs = here.daemon.runtime.runs
    return list(runs.attempts(runs.get(run_id).id))


@router.get("/{run_id:path}/events")
@blocking
def list_events(
    here: Here,
    run_id: RunId,
    after: Annotated[int, Query(ge=0, le=2**62, description="Only those after this number.")] = 0,
    limit: Limit = 1000,
) -> list[Numbered]:
    """List what happened in a run, oldest first."""
    runtime = here.daemon.runtime
    found = runtime.ledger.after(after, limit, runtime.runs.get(run_id).id)
    return [Numbered(number=number, event=event) for number, event in found]


@router.get("/{run_id:path}")
@blocking
def get_run(here: Here, run_id: RunId) -> RunDetail:
    """Return a run."""
    return RunDetail(**_values(here.daemon.runtime.runs.get(run_id), RunDetail))


def _values(row: RunRow, model: type[RunSummary]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in model.model_fields}
