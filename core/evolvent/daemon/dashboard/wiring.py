"""All pages together."""

from __future__ import annotations

from fastapi import APIRouter

from evolvent.daemon.dashboard import lineage, login, now, progress, skills, static

__all__ = ["ROUTERS", "dashboard_router"]

ROUTERS = (login.router, static.router, now.router, progress.router, lineage.router, skills.router)


def dashboard_router() -> APIRouter:
    """Return the routes of all pages; they are no part of the OpenAPI document."""
    router = APIRouter(include_in_schema=False)
    for room in ROUTERS:
        router.include_router(room)
    return router
