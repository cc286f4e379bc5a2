"""All pages together."""

from __future__ import annotations

from fastapi import APIRouter

from evolvent.daemon.dashboard import (
    approvals,
    health,
    jobs,
    lineage,
    live,
    login,
    now,
    progress,
    runs,
    skills,
    static,
)

__all__ = ["ROUTERS", "dashboard_router"]

_ROOMS = (login, static, live, now, jobs, progress, lineage, skills, runs, approvals, health)
ROUTERS = tuple(room.router for room in _ROOMS)


def dashboard_router() -> APIRouter:
    """Return the routes of all pages; they are no part of the OpenAPI document."""
    router = APIRouter(include_in_schema=False)
    for room in ROUTERS:
        router.include_router(room)
    return router
