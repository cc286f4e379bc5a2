"""Questions to people: what waits for a decision, and what was decided."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.threads import blocking
from evolvent.daemon.dashboard.rendering import back, show
from evolvent.daemon.dashboard.session import Decides, Looks

__all__ = ["router"]

router = APIRouter(prefix="/approvals")

LIMIT, DECIDED = 50, 30


@router.get("", response_class=HTMLResponse)
@blocking
def approvals(request: Request, here: Here, viewer: Looks) -> HTMLResponse:
    """Show the questions, oldest first, and the newest decisions."""
    stored = here.daemon.runtime.approvals
    return show(
        request,
        viewer,
        "approvals.html",
        open=stored.list(limit=LIMIT),
        count=stored.pending(),
        decided=stored.decided(DECIDED),
    )


@router.post("/{approval_id}/answer")
@blocking
def answer(
    here: Here,
    approval_id: str,
    _: Decides,
    verdict: Annotated[Literal["approve", "reject"], Form()],
    words: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Decide; the job that waits for it goes on. The first answer stands."""
    here.daemon.answer(approval_id, verdict, words.replace("\r\n", "\n").strip())
    return back("/approvals")
