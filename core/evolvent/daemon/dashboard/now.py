"""What happens at the moment."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.threads import blocking
from evolvent.daemon.dashboard.rendering import show
from evolvent.daemon.dashboard.session import Looks

__all__ = ["router"]

router = APIRouter()


@router.get("/", response_class=HTMLResponse)
@blocking
def now(request: Request, here: Here, viewer: Looks) -> HTMLResponse:
    """Show jobs, budgets and events."""
    return show(request, viewer, "now.html", status=here.daemon.status())
