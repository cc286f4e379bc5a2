"""What a request must pass before anything of it is read: an ASGI middleware, so that streams pass untouched."""

from __future__ import annotations

import time

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evolvent.daemon.api.listening import known_host
from evolvent.daemon.api.problems import Problem, problem_response
from evolvent.settings import Settings

__all__ = ["BODY_BYTES", "Doors"]

BODY_BYTES = 1_000_000
"""Bytes that a request's body may have."""
BODY_SECONDS = 30.0
"""Seconds in which it must be here."""
DRAINED_BYTES = 64_000_000
"""Bytes of a body that is too long that are read and dropped: a client that still writes would not see the answer."""
DRAIN_SECONDS = 5.0

LINKED = "/login"
"""To this page links of other sites may lead, such as the file of `evolvent dashboard --open`; it shows a form."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""Content-Security-Policy where the answer sets none: JSON needs nothing."""


class Doors:
    """Refuses strange hosts, other sites and bodies that are too long or too slow."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    own.setdefault(name, value)
                own.setdefault("Content-Security-Policy", API_POLICY)
            await send(message)

        try:
            self._check(headers, linked=scope["method"] == "GET" and scope["path"] == LINKED)
            body = await _read(headers, receive)
        except Problem as problem:
            await problem_response(problem)(scope, receive, guarded)
            return
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()  # waits for the client's end
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, guarded)

    def _check(self, headers: Headers, *, linked: bool) -> None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not known_host(hosts[0], self._settings):
            raise Problem(
                421,
                "unknown-host",
                f"the daemon is not called {', '.join(hosts) or '(nothing)'!r}; use an IP address or localhost, or "
                "name the host in EVOLVENT_DAEMON_NAMES",
            )
        site = headers.get("sec-fetch-site", "none")
        origin = headers.get("origin")
        # Behind a proxy with TLS the page's scheme is https and ours http, so only the host is compared.
        own = {f"{scheme}://{hosts[0].lower()}" for scheme in ("http", "https")}
        same = origin is None or origin.lower() in own
        elsewhere = ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")
        if linked and origin is None and all(headers.get(name) == value for name, value in elsewhere):
            return
        if site not in ("none", "same-origin") or not same:
            raise Problem(403, "cross-site", "requests that a page of another site makes are refused")


async def _read(headers: Headers, receive: Receive) -> bytes:
    """Return the whole body.

    Raises:
        Problem: it is too long, or did not come in time.
    """
    declared = headers.get("content-length", "0")
    length = int(declared) if declared.isascii() and declared.isdigit() else BODY_BYTES + 1
    parts: list[bytes] = []
    size, more = 0, "content-length" in headers or "transfer-encoding" in headers
    too_long = length > BODY_BYTES
    with anyio.move_on_after(BODY_SECONDS) as waiting:
        while more and not too_long:
            message = await receive()
            if message["type"] != "http.request":
                break
            size += len(message.get("body", b""))
            too_long = size > BODY_BYTES
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
    if waiting.cancelled_caught:
        raise Problem(
            408, "slow", f"the body was not here after {BODY_SECONDS:g} s", headers={"Connection": "close"}
        )
    if too_long:
        await _drop(receive, size)
        raise Problem(
            413,
            "too-large",
            f"the body has more than {BODY_BYTES} bytes; hand long texts in as files of a workspace",
            headers={"Connection": "close"},
        )
    return b"".join(parts)


async def _drop(receive: Receive, size: int) -> None:
    until = time.monotonic() + DRAIN_SECONDS
    with anyio.move_on_after(DRAIN_SECONDS):
        while size <= DRAINED_BYTES and time.monotonic() < until:
            message = await receive()
            size += len(message.get("body", b""))
            if message["type"] != "http.request" or not message.get("more_body", False):
                return
