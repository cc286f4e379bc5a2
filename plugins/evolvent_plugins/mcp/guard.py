"""Which HTTP requests are answered at all."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Guard", "is_address"]


class Guard:
    """Lets a request through when it was meant for this server and brings the token.

    A page in a browser can make it ask any address, and DNS can be made to say that a foreign name is this machine.
    Then `Host` is that foreign name, or `Origin` another place than the one that is asked. The SDK has the same check
    for fixed lists of names; a server on 0.0.0.0 has no such list, but a rebound name is never an IP address.
    """

    def __init__(self, app: ASGIApp, host: str, token: str | None) -> None:
        self._app = app
        self._names = {"localhost", host, socket.gethostname().lower()}
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with 421, 403 or 401, or pass on."""
        if scope["type"] == "http" and (refusal := self._refusal(scope["headers"])):
            from starlette.responses import PlainTextResponse

            code, why = refusal
            headers = {"WWW-Authenticate": "Bearer"} if code == 401 else None
            await PlainTextResponse(why, code, headers)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, pairs: list[tuple[bytes, bytes]]) -> tuple[int, str] | None:
        def values(name: bytes) -> list[str]:
            return [value.decode("latin-1") for key, value in pairs if key == name]

        hosts, origins, tokens = values(b"host"), values(b"origin"), values(b"authorization")
        if len(hosts) != 1 or not self._knows(hosts[0]):
            return 421, "this Host is not served here"
        if origins and (len(origins) > 1 or origins[0].lower().partition("://")[2] != hosts[0].lower()):
            return 403, "requests of pages from elsewhere are refused"
        if self._token is not None and not (len(tokens) == 1 and self._fits(tokens[0])):
            return 401, "a valid token is needed: Authorization: Bearer …"
        return None

    def _knows(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or is_address(name)

    def _fits(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        expected = (self._token or "").encode()
        return scheme.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode("latin-1", "replace"), expected
        )


def is_address(host: str) -> bool:
    """Whether a host is written as an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
