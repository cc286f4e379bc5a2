"""Logging in with a token or a one-time code, and out."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.problems import Problem
from evolvent.daemon.api.threads import blocking, in_thread
from evolvent.daemon.dashboard.rendering import back, show
from evolvent.daemon.dashboard.session import (
    COOKIE,
    Looks,
    check_origin,
    count_request,
    forget_session,
    remember_session,
)

__all__ = ["router"]

router = APIRouter()

_OURS = re.compile(r"/(?![/\\])[\w\-./?=&%~,:+@#]*", re.ASCII)


@router.get("/login", response_class=HTMLResponse)
@blocking
def login_form(request: Request, next: str = "/") -> HTMLResponse:
    """Ask for a token."""
    site = request.headers.get("sec-fetch-site", "none")
    elsewhere = site not in ("none", "same-origin")
    return show(request, None, "login.html", next=_path(next), fault="", elsewhere=elsewhere)


@router.post("/login")
async def login(
    request: Request,
    here: Here,
    token: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",
    elsewhere: Annotated[bool, Form()] = False,
) -> Response:
    """Begin a session. The one that the browser has had ends.

    What a link of another site's page brought by itself (`elsewhere`) must be a code of this machine's command line:
    such a page shall log nobody in as somebody else.
    """
    check_origin(request)
    given = token.strip()
    if elsewhere:
        info = await in_thread(here.codes.take, given, only_local=True)
    else:
        info = await in_thread(lambda: here.codes.take(given) or here.tokens.check(given))
    count_request(request, here, info)
    if info is None:
        fault = "It is not valid: malformed, unknown, expired or revoked. A code works once, for a minute."
        if elsewhere:
            fault = "A link on another page logs in by itself only if it is one of evolvent dashboard, and not used."
        return show(request, None, "login.html", 401, next=_path(next), fault=fault, elsewhere=False)
    before = request.cookies.get(COOKIE, "")
    await in_thread(here.sessions.end, before)
    here.viewers.forget(before)
    answer: RedirectResponse = back(_path(next))
    remember_session(request, answer, await in_thread(here.sessions.begin, info))
    return answer


@router.post("/logout")
@blocking
def logout(
    request: Request, here: Here, viewer: Looks, csrf: Annotated[str, Form()] = ""
) -> RedirectResponse:
    """End the session."""
    check_origin(request)
    if csrf != viewer.csrf:
        raise Problem(403, "stale-form", "the form does not belong to this session; load the page again")
    here.sessions.end(viewer.secret)
    here.viewers.forget(viewer.secret)
    answer = back("/login")
    forget_session(request, answer)
    return answer


def _path(given: str) -> str:
    """Return where to go after the login: a path of ours, whatever the link said."""
    return given if _OURS.fullmatch(given) else "/"
