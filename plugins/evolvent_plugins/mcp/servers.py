"""The servers that this process talks to."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from evolvent.errors import EvolventError
from evolvent.types import JsonValue, digest
from evolvent_plugins.mcp.background import Background
from evolvent_plugins.mcp.config import ServerConfig, read_config
from evolvent_plugins.mcp.connection import Connection
from evolvent_plugins.mcp.errors import CallFailed, NotSent, ServerFailed
from evolvent_plugins.mcp.offers import Offer, read_offers
from evolvent_plugins.mcp.pins import Pins
from evolvent_plugins.mcp.results import value_of

if TYPE_CHECKING:
    from mcp.types import CallToolResult

    from evolvent.settings import Settings
    from evolvent_plugins.mcp.streams import Streams

__all__ = ["Server", "close_all", "server_of"]

T = TypeVar("T")

_background = Background()
_lock = threading.Lock()
_servers: dict[tuple[str, ...], Server] = {}


class Server:
    """One server: connected on first use, and again after it died. Safe for several threads."""

    def __init__(self, name: str, config: ServerConfig, path: Path, home: Path) -> None:
        self.name = name
        self.config = config
        self.log = home / "logs" / f"mcp-{name}.log"
        """Where its stderr goes."""
        self._base = path.parent
        self._pins = Pins(home)
        self._connection: Connection | None = None
        self._offers: dict[str, Offer] = {}
        self._turn: asyncio.Lock | None = None
        self._process = os.getpid()
        self._closed = False

    def offers(self) -> list[Offer]:
        """Connect, and return the tools; those that the pins do not fit are refused.

        Raises:
            UsageError: its entry names an environment variable that is not set.
            MissingPrerequisite: its command is not installed.
            ServerFailed: it cannot be reached or does not keep to the protocol.
            IntegrityError: the file of pins is damaged.
        """
        self._run(self._connected)
        return self._pins.check(self.name, self._offers.values())

    def trust(self) -> list[Offer]:
        """Pin the tools as they are now, and return them; raises as `offers` does."""
        self._run(self._connected)
        self._pins.trust(self.name, self._offers.values())
        return list(self._offers.values())

    def call(self, offer: Offer, arguments: dict[str, JsonValue]) -> JsonValue:
        """Call a tool, after connecting anew where the connection is lost.

        Raises:
            CallFailed: there is no result; the message is for the guest.
        """
        return value_of(self._run(lambda: self._call(offer, arguments)))

    async def close(self) -> None:
        """End the session for good."""
        self._closed = True
        if self._connection is not None:
            await self._connection.close()

    def _run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if self._process != os.getpid():  # forked: the session and its loop stayed with the parent
            self._process, self._connection, self._turn = os.getpid(), None, None
        return _background.run(work())

    async def _call(self, offer: Offer, arguments: dict[str, JsonValue]) -> CallToolResult:
        for last in (False, True):
            connection = await self._connected_for_call()
            now = self._offers.get(offer.name)
            if now is None or now.digest != offer.digest:
                raise CallFailed(
                    f"the MCP server {self.name!r} was started again and does not offer the same "
                    f"{offer.name!r} any more; it is not called"
                )
            try:
                return await connection.call(offer.name, arguments)
            except NotSent:
                if last:
                    raise
        raise AssertionError("unreachable")

    async def _connected_for_call(self) -> Connection:
        try:
            return await self._connected()
        except EvolventError as error:
            raise CallFailed(str(error)) from error

    async def _connected(self) -> Connection:
        if self._turn is None:
            self._turn = asyncio.Lock()
        async with self._turn:
            if self._closed:
                raise ServerFailed(f"the session with the MCP server {self.name!r} was closed")
            if self._connection is not None and self._connection.alive:
                return self._connection
            if self._connection is not None:
                await self._connection.close()
            connection = Connection(self.name, self._transport, self.config.timeout)
            await connection.open()
            self._connection = connection
            try:
                offers = read_offers(self.name, connection.listed, self.config)
            except EvolventError:
                await connection.close()
                raise
            self._offers = {offer.name: offer for offer in offers}
            return connection

    def _transport(self, broke: Callable[[BaseException], None]) -> AbstractAsyncContextManager[Streams]:
        if self.config.command is not None:
            from evolvent_plugins.mcp.stdio import stdio_streams

            return stdio_streams(self.name, self.config, self._base, self.log)
        from evolvent_plugins.mcp.remote import remote_streams

        return remote_streams(self.name, self.config, broke)


def server_of(name: str, settings: Settings) -> Server:
    """Return a server of the settings' file; the same entry is the same server, with one session.

    Raises:
        UsageError: the file has no such server, or its entry is damaged.
    """
    path = settings.mcp_path.expanduser().absolute()
    home = settings.home.expanduser().absolute()
    config = read_config(path).server(name)
    key = (name, str(path), str(home), digest(config.model_dump(mode="json"), 64))
    with _lock:
        if not _servers:
            atexit.register(close_all)
        if key not in _servers:
            _servers[key] = Server(name, config, path, home)
        return _servers[key]


def close_all() -> None:
    """End all sessions and the background thread. May be called twice."""
    atexit.unregister(close_all)
    with _lock:
        servers = list(_servers.values())
        _servers.clear()
    if not _background.running:
        return

    async def close() -> None:
        await asyncio.gather(*(server.close() for server in servers), return_exceptions=True)

    with contextlib.suppress(RuntimeError):
        _background.run(close())
    _background.stop()
