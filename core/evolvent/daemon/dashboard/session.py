"""Who looks at a page, and whether a form may do what it asks for."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Form, Request, Response

from evolvent.daemon.api.context import Context, context
from evolvent.daemon.api.problems import Problem
from evolvent.storage.sessions import SESSION_SECONDS
from evolvent.types import Scope, TokenInfo

__all__ = [
    "COOKIE",
    "Decides",
    "Looks",
    "Submits",
    "Viewer",
    "check_origin",
    "count_request",
    "forget_session",
    "remember_session",
]

COOKIE = "evolvent_session"


@dataclass(frozen=True)
class Viewer:
    """Somebody who is logged in."""

    token: TokenInfo
    secret: str = field(repr=False)

    @property
    def csrf(self) -> str:
        """What forms of this session carry; it follows from the cookie's secret, which nobody learns from it."""
        return hashlib.sha256(f"csrf:{self.secret}".encode()).hexdigest()

    def may(self, scope: str) -> bool:
        """Whether the session's token has a scope: `read`, `submit` or `admin`."""
        return self.token.may(Scope(scope))


async def _viewer(request: Request, here: Annotated[Context, Depends(context)]) -> Viewer:
    """Return who is logged in.

    Raises:
        Problem: nobody is; or there were too many requests.
    """
    secret = request.cookies.get(COOKIE, "")
    token = await here.viewers.check(secret) if secret else None
    count_request(request, here, token)
    if token is None:
        raise Problem(401, "unauthenticated", "nobody is logged in here, or the session has ended; log in")
    return Viewer(token, secret)


Looks = Annotated[Viewer, Depends(_viewer)]
"""Of a page: who sees it."""


def _needs(scope: Scope) -> Callable[..., Coroutine[Any, Any, Viewer]]:
    async def check(request: Request, viewer: Looks, csrf: Annotated[str, Form()] = "") -> Viewer:
        check_origin(request)
        if not hmac.compare_digest(csrf.encode("utf-8", "replace"), viewer.csrf.encode()):
            raise Problem(
                403,
                "stale-form",
                "the form does not belong to this session; load the page again and repeat what you did",
            )
        if not viewer.may(scope):
            own = ", ".join(viewer.token.scopes)
            raise Problem(
                403,
                "wrong-scope",
                f"this needs a token with the scope {scope.value}; yours, {viewer.token.name!r}, has {own}",
            )
        return viewer

    return check


Submits = Annotated[Viewer, Depends(_needs(Scope.SUBMIT))]
"""Of a form: who sends it, and may hand in jobs."""
Decides = Annotated[Viewer, Depends(_needs(Scope.ADMIN))]
"""Of a form: who sends it, and may decide."""


def count_request(request: Request, here: Context, token: TokenInfo | None) -> None:
    """Count a request, as its token's or its address's; only on the event loop.

    Raises:
        Problem: there were too many.
    """
    address = request.client.host if request.client else "?"
    wait = here.rates.take(f"token {token.id}" if token else f"address {address}")
    if wait:
        detail = f"more than {here.settings.daemon_rate:g} requests a second (EVOLVENT_DAEMON_RATE)"
        raise Problem(429, "too-many", detail, headers={"Retry-After": str(math.ceil(wait))})


def check_origin(request: Request) -> None:
    """Check that a form was sent by a page of ours; `Doors` has refused what another site's page sends.

    Raises:
        Problem: nothing says so. Every browser of today does.
    """
    headers = request.headers
    if "origin" not in headers and headers.get("sec-fetch-site") != "same-origin":
        raise Problem(
            403,
            "cross-site",
            "the request does not say which page it comes from (Origin); programs use /api/v1",
        )


def remember_session(request: Request, answer: Response, secret: str) -> None:
    """Give a browser the cookie of a session."""
    answer.set_cookie(
        COOKIE,
        secret,
        int(SESSION_SECONDS),
        path="/",
        secure=_encrypted(request),
        httponly=True,
        samesite="strict",
    )


def forget_session(request: Request, answer: Response) -> None:
    """Take the cookie back."""
    answer.delete_cookie(COOKIE, path="/", secure=_encrypted(request), httponly=True, samesite="strict")


def _encrypted(request: Request) -> bool:
    """Whether the browser speaks TLS; behind a proxy only its page's origin says so."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
