"""One-time codes, with which a browser is logged in to the dashboard by somebody who has a token."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import APIRouter, Path

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.problems import Problem
from evolvent.daemon.api.security import Reader
from evolvent.daemon.api.threads import blocking
from evolvent.daemon.login_codes import TooManyCodes, code_id
from evolvent.types import LoginCode, LoginCodeState

__all__ = ["router"]

router = APIRouter(prefix="/login-codes", tags=["dashboard"])


@router.post("", status_code=201)
@blocking
def make_login_code(here: Here, token: Reader) -> LoginCode:
    """Make a one-time code; the session that begins with it may what this request's token may."""
    try:
        code = here.codes.make(token)
    except TooManyCodes as error:
        wait = {"Retry-After": str(math.ceil(error.seconds))}
        raise Problem(429, "too-many", str(error), headers=wait) from None
    return LoginCode(id=code_id(code), code=code, path=f"/login#{code}", seconds=here.codes.seconds)


@router.get("/{id}")
@blocking
def show_login_code(
    here: Here, token: Reader, id: Annotated[str, Path(pattern="^[0-9a-f]{16}$")]
) -> LoginCodeState:
    """Say whether a one-time code of this request's token can still be used; of others it cannot."""
    return LoginCodeState(id=id, pending=here.codes.pending(id, token))
