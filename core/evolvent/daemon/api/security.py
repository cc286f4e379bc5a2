"""Who asks, and whether they may."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from evolvent.daemon.api.context import Context, context
from evolvent.daemon.api.problems import Problem
from evolvent.types import Scope, TokenInfo

__all__ = ["ADMIN", "READ", "SUBMIT", "Reader"]

_bearer = HTTPBearer(auto_error=False, description="A token of `evolvent tokens create`.")


async def caller(
    request: Request,
    here: Annotated[Context, Depends(context)],
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> TokenInfo:
    """Return whose token a request carries.

    Raises:
        Problem: it carries none, or one that is not valid; or there were too many requests.
    """
    address = request.client.host if request.client else "?"
    known = None if given is None else await here.callers.check(given.credentials)
    wait = here.rates.take(f"token {known.id}" if known else f"address {address}")
    if wait:
        raise Problem(
            429,
            "too-many",
            f"more than {here.settings.daemon_rate:g} requests a second (EVOLVENT_DAEMON_RATE)",
            headers={"Retry-After": str(math.ceil(wait))},
        )
    if known is not None:
        return known
    if given is None:
        why, challenge = "the request carries no bearer token", "Bearer"
    else:
        why, challenge = "the token is malformed, unknown, expired or revoked", 'Bearer error="invalid_token"'
    raise Problem(
        401,
        "unauthenticated",
        f"{why}; make one with `evolvent tokens create NAME --scope read` and send it as `Authorization: Bearer TOKEN`",
        headers={"WWW-Authenticate": challenge},
    )


def _needs(scope: Scope) -> Callable[..., Coroutine[Any, Any, TokenInfo]]:
    async def check(token: Annotated[TokenInfo, Depends(caller)]) -> TokenInfo:
        if not token.may(scope):
            own = ", ".join(token.scopes)
            raise Problem(
                403,
                "wrong-scope",
                f"this needs a token with the scope {scope.value}; yours, {token.name!r}, has {own}",
                headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope.value}"'},
            )
        return token

    return check


READ, SUBMIT, ADMIN = (Security(_needs(scope), scopes=[scope.value]) for scope in Scope)
Reader = Annotated[TokenInfo, READ]
