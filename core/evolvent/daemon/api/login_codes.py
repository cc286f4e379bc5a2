"""One-time codes, with which a browser is logged in to the dashboard by somebody who has a token."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.security import Reader
from evolvent.daemon.api.threads import blocking

__all__ = ["LoginCode", "router"]

router = APIRouter(prefix="/login-codes", tags=["dashboard"])


class LoginCode(BaseModel):
    """A code for the login of the dashboard."""

    code: str
    path: str
    """Of the page that takes it; the code is in the fragment, which browsers do not send, so that no log has it."""
    seconds: float
    """For which it can be used, once."""


@router.post("", status_code=201)
@blocking
def make_login_code(here: Here, token: Reader) -> LoginCode:
    """Make a one-time code; the session that begins with it may what this request's token may."""
    code = here.codes.make(token)
    return LoginCode(code=code, path=f"/login#{code}", seconds=here.codes.seconds)
