"""How the daemon is: for people, for supervisors, and for Prometheus."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from pydantic import Field

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.metrics import metrics_text
from evolvent.daemon.api.problems import Problem
from evolvent.daemon.api.security import ADMIN, READ
from evolvent.daemon.api.threads import blocking
from evolvent.types import DaemonStatus, DayBudget, Frozen

__all__ = ["router"]

router = APIRouter(tags=["status"])


class Alive(Frozen):
    """The process answers."""

    status: Literal["ok"] = "ok"


class PauseRequest(Frozen):
    """Why; it is shown."""

    reason: str = Field(default="paused by a person", min_length=1, max_length=1000)


@router.get("/health")
async def get_health() -> Alive:
    """Say that the process answers; needs no token."""
    return Alive()


@router.get("/ready")
@blocking
def get_ready(here: Here) -> Alive:
    """Say whether jobs can be handed in: the database answers, and the daemon is not ending; needs no token."""
    if here.daemon.status().state == "draining":
        raise Problem(503, "draining", "the daemon is ending", headers={"Retry-After": "10"})
    return Alive()


@router.get("/status", dependencies=[READ])
@blocking
def get_status(here: Here) -> DaemonStatus:
    """Say what the daemon does, how many jobs there are, and what is left of its budgets."""
    return here.daemon.status()


@router.get("/budgets", dependencies=[READ])
@blocking
def get_budgets(here: Here) -> list[DayBudget]:
    """Return what was used of each budget since midnight UTC."""
    return list(here.daemon.status().budgets)


@router.post("/pause", dependencies=[ADMIN])
@blocking
def pause(here: Here, request: PauseRequest) -> DaemonStatus:
    """Begin no more jobs; those that run go on."""
    here.daemon.pause(request.reason)
    return here.daemon.status()


@router.post("/resume", dependencies=[ADMIN])
@blocking
def resume(here: Here) -> DaemonStatus:
    """Begin jobs again."""
    here.daemon.resume()
    return here.daemon.status()


@router.get(
    "/metrics",
    dependencies=[READ],
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
@blocking
def get_metrics(here: Here) -> PlainTextResponse:
    """Return the metrics in Prometheus' text format: the daemon's, its process', and those of plugins."""
    return PlainTextResponse(
        metrics_text(here.daemon, here.streams.count), media_type="text/plain; version=0.0.4; charset=utf-8"
    )
