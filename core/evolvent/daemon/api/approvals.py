"""What runs wait for, and answering it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.pages import Limit
from evolvent.daemon.api.security import ADMIN, READ
from evolvent.daemon.api.threads import blocking
from evolvent.types import ApprovalRequest, Frozen

__all__ = ["router"]

router = APIRouter(prefix="/approvals", tags=["approvals"])


class AnswerRequest(Frozen):
    """What a person decides."""

    verdict: Literal["approve", "reject"]
    words: str = Field(default="", max_length=2000)
    """Why; the agent sees them when it is a rejection."""


@router.get("", dependencies=[READ])
@blocking
def list_approvals(
    here: Here,
    pending: Annotated[bool, Query(description="Only what nobody has answered.")] = True,
    run_id: Annotated[str | None, Query(max_length=200)] = None,
    limit: Limit = 200,
) -> list[ApprovalRequest]:
    """List the questions to people, oldest first."""
    return here.daemon.runtime.approvals.list(run_id, pending=pending, limit=limit)


@router.get("/{approval_id}", dependencies=[READ])
@blocking
def get_approval(here: Here, approval_id: str) -> ApprovalRequest:
    """Return a question by its id or a unique beginning of it."""
    return here.daemon.runtime.approvals.get(approval_id)


@router.post("/{approval_id}/answer", dependencies=[ADMIN])
@blocking
def answer_approval(here: Here, approval_id: str, request: AnswerRequest) -> ApprovalRequest:
    """Answer a question; the job that waits for it goes on. The first answer stands."""
    return here.daemon.answer(approval_id, request.verdict, request.words)
