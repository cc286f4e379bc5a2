"""One-time codes, with which a browser is logged in to the dashboard by somebody who has a token."""

from __future__ import annotations

from fastapi import APIRouter

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.security import Reader
from evolvent.daemon.api.threads import blocking
from evolvent.types import LoginCode

__all__ = ["router"]

router = APIRouter(prefix="/login-codes", tags=["dashboard"])


@router.post("", status_code=201)
@blocking
def make_login_code(here: Here, token: Reader) -> LoginCode:
    """Make a one-time code; the session that begins with it may what this request's token may."""
    code = here.codes.make(token)
    return LoginCode(code=code, path=f"/login#{code}", seconds=here.codes.seconds)
