"""How the skill server is reached: over stdin and stdout, or over HTTP."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from evolvent.errors import UsageError
from evolvent_plugins.mcp.guard import Guard, is_address

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Address", "serve_http", "serve_stdio"]

_log = logging.getLogger(__name__)

LINE_BYTES = 4 * 1024 * 1024
MIN_TOKEN = 16
PATH = "/mcp"


def serve_stdio(server: Server[Any, Any]) -> None:
    """Serve one client on stdin and stdout until it closes them.

    Everything else that writes to stdout or reads stdin, children included, gets stderr and nothing: one stray line
    would break the protocol.
    """
    sys.stdout.flush()
    private_in, private_out = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)

    async def serve() -> None:
        with os.fdopen(private_in, "rb") as stdin, os.fdopen(private_out, "w", encoding="utf-8") as stdout:
            lines: Any = _lines(stdin)
            async with stdio_server(lines, anyio.wrap_file(stdout)) as (incoming, outgoing):
                await server.run(incoming, outgoing, server.create_initialization_options())

    try:
        anyio.run(serve)
    except* (anyio.ClosedResourceError, anyio.BrokenResourceError, BrokenPipeError):
        _log.info("the client left before it had its answer")


async def _lines(stdin: BinaryIO) -> AsyncIterator[str]:
    """Yield lines without a thread: one that waits for input could not be stopped by a signal."""
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    try:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), stdin
        )
    except (ValueError, PermissionError):  # a file, which never lets anyone wait
        for line in stdin:
            yield line.decode("utf-8", "replace")
        return
    try:
        while line := await reader.readline():
            yield line.decode("utf-8", "replace")
    except ValueError:
        _log.warning("the client sent a line of more than %s bytes", LINE_BYTES)
    finally:
        transport.close()


class Address:
    """Where to listen: `HOST:PORT`; port 0 takes a free one."""

    def __init__(self, text: str) -> None:
        """Read an address.

        Raises:
            UsageError: it is none.
        """
        parts = urlsplit(f"//{text}")
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or port is None or parts.path or parts.username is not None:
            raise UsageError(f"{text!r} is no address; write HOST:PORT, for example 127.0.0.1:8765")
        self.host, self.port = host, port

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        return is_address(self.host) and ipaddress.ip_address(self.host).is_loopback

    def bind(self) -> socket.socket:
        """Return a listening socket.

        Raises:
            UsageError: the address is taken, or not of this machine.
        """
        try:
            family = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0][0]
            made = socket.create_server((self.host, self.port), family=family, backlog=64)
        except OSError as error:
            raise UsageError(f"cannot listen on {self.host}:{self.port}: {error.strerror}") from error
        self.port = made.getsockname()[1]
        return made

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{PATH}"


def serve_http(
    server: Server[Any, Any], address: Address, token: str | None, say: Callable[[str], object]
) -> None:
    """Serve clients over streamable HTTP until interrupted.

    Args:
        server: what to serve.
        address: where to listen.
        token: that every request must bring as `Authorization: Bearer`; None only on loopback.
        say: gets the address when it can be used.

    Raises:
        UsageError: others could reach it and there is no token, the token is short, or the address cannot be used.
    """
    import uvicorn
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from starlette.applications import Starlette
    from starlette.routing import Route

    if token is None and not address.loopback:
        raise UsageError(
            f"{address.host} can be reached from other machines; set a token with --token-env NAME, "
            "or listen on 127.0.0.1"
        )
    if token is not None and len(token) < MIN_TOKEN:
        raise UsageError(f"the token has {len(token)} characters; use at least {MIN_TOKEN}, random ones")
    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with manager.run():
            yield

    app = Starlette(routes=[Route(PATH, endpoint=_Endpoint(manager.asgi_app))], lifespan=lifespan)
    guarded = Guard(app, address.host, token)
    listening = address.bind()
    with listening:
        config = uvicorn.Config(guarded, log_config=None, access_log=False, timeout_graceful_shutdown=2)
        say(f"serving skills on {address}" + (" (token needed)" if token else ""))
        anyio.run(uvicorn.Server(config).serve, [listening])


class _Endpoint:
    """Marks an ASGI application as such for starlette, which takes functions for request handlers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
