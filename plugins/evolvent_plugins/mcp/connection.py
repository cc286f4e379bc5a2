"""One session with a server, from connecting to its end. Lives in the background loop."""

from __future__ import annotations

import asyncio
from typing import Any

from anyio import create_memory_object_stream
from anyio.streams.memory import MemoryObjectSendStream
from mcp import ClientSession, McpError
from mcp.shared.message import SessionMessage
from mcp.types import CONNECTION_CLOSED, CallToolResult, Implementation

from evolvent import __version__
from evolvent_plugins.mcp.errors import CallFailed, Gone, NotSent, ServerFailed, TookTooLong
from evolvent_plugins.mcp.gate import Gate
from evolvent_plugins.mcp.reasons import Ended, why_ended
from evolvent_plugins.mcp.requests import answers, call_tool, list_tools
from evolvent_plugins.mcp.schemas import readable
from evolvent_plugins.mcp.streams import Streams, Transport

__all__ = ["Connection"]

SESSION_TERMINATED = 32_600
"""By which the SDK says that the server does not know the session (HTTP 404): it did not take the request."""


class Connection:
    """A session with a server."""

    def __init__(self, name: str, transport: Transport, timeout: float) -> None:
        self._name = name
        self._transport = transport
        self._timeout = timeout
        self._gate = Gate()
        self._stop = asyncio.Event()
        self._ready = asyncio.Event()
        self._session: ClientSession | None = None
        self._streams: Streams | None = None
        self._pending = 0
        self._pending_at_end = 0
        self._ended: Ended | None = None
        self._task: asyncio.Task[None] | None = None
        self._probes: set[asyncio.Task[None]] = set()
        self.listed: list[dict[str, Any]] = []
        """What the server lists, as it says it."""

    @property
    def alive(self) -> bool:
        """Whether calls can be sent."""
        if self._session is None or self._streams is None:
            return False
        return self._ended is None and not self._streams.ended()

    async def open(self) -> None:
        """Connect and list the tools.

        Raises:
            UsageError: the server's entry names an environment variable that is not set.
            MissingPrerequisite: its command is not installed.
            ServerFailed: it cannot be reached, takes too long or does not keep to the protocol.
        """
        self._task = asyncio.create_task(self._live())
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait(
                {self._task, ready}, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            ready.cancel()
            if not self.alive:
                self._end(Ended(f"did not answer within {self._timeout:g} s"))
                await self.close()
        if self._ended is not None:
            known = self._ended.error
            if known is not None and not isinstance(known, ServerFailed):
                raise known
            raise ServerFailed(f"the MCP server {self._name!r} {self._ended.why}")

    async def call(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        """Call a tool.

        Raises:
            NotSent: the server has not got the call.
            Gone: the connection broke after the call was sent.
            TookTooLong: no answer within the time-out.
            CallFailed: the server refused the call.
        """
        if self._session is None or not self.alive:
            raise NotSent(self._failure())
        self._gate.refill()
        self._pending += 1
        request = asyncio.create_task(call_tool(self._session, self._name, tool, arguments))
        ended = asyncio.create_task(self._stop.wait())
        try:
            done, _ = await asyncio.wait(
                {request, ended}, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if request in done:
                return request.result()
            if not done:
                self._probe()
                raise TookTooLong(
                    f"the MCP server {self._name!r} did not answer within {self._timeout:g} s; "
                    "the call may have had its effects"
                )
            raise await self._broken()
        except McpError as error:
            if error.error.code == SESSION_TERMINATED:
                self._end(Ended("does not know the session any more", unheard=True))
                raise NotSent(self._failure()) from error
            if error.error.code == CONNECTION_CLOSED and self._ended is not None:  # servers use it as well
                raise await self._broken() from error
            raise CallFailed(
                f"the MCP server {self._name!r} refused the call: "
                f"{readable(error.error.message, lines=False)[:500]}"
            ) from error
        finally:
            self._pending -= 1
            for task in (request, ended):
                task.cancel()
            await asyncio.gather(request, ended, return_exceptions=True)

    async def close(self) -> None:
        """End the session and the server's processes. May be called twice."""
        self._end(Ended("was closed"))
        if self._task is not None:
            if not self._ready.is_set():
                self._task.cancel()
            await asyncio.wait({self._task, *self._probes})

    async def _live(self) -> None:
        try:
            async with self._transport(lambda error: self._end(why_ended(error))) as streams:
                sink, source = create_memory_object_stream[SessionMessage | Exception](0)
                about = Implementation(name="evolvent", version=__version__)
                async with ClientSession(source, streams.outgoing, client_info=about) as session:
                    forwarding = asyncio.create_task(self._forward(streams, sink))
                    try:
                        await session.initialize()
                        self.listed = await list_tools(session)
                        self._session, self._streams = session, streams
                        self._ready.set()
                        await self._stop.wait()
                    finally:
                        forwarding.cancel()
                        await asyncio.gather(forwarding, return_exceptions=True)
        except (Exception, BaseExceptionGroup) as error:
            self._end(why_ended(error))
        except asyncio.CancelledError:
            self._end(Ended("was closed"))
        finally:
            self._end(Ended("broke off"))

    async def _forward(
        self, streams: Streams, sink: MemoryObjectSendStream[SessionMessage | Exception]
    ) -> None:
        """Pass messages on until the server ends the connection, and say so."""
        with sink:
            try:
                await self._gate.forward(streams.incoming, sink)
                self._end(Ended("ended the connection"))
            except Exception as error:
                self._end(why_ended(error))

    def _end(self, ended: Ended) -> None:
        if self._ended is None:
            self._ended, self._pending_at_end = ended, self._pending
        self._stop.set()

    async def _broken(self) -> CallFailed:
        """Return the error of a call that was under way when the connection ended."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=0.2)  # a transport says only at its end what happened
        if self._ended is not None and self._ended.unheard and self._pending_at_end <= 1:
            return NotSent(self._failure())
        return Gone(
            f"{self._failure()} before it answered; the call may have had its effects and is not repeated"
        )

    def _failure(self) -> str:
        return f"the MCP server {self._name!r} {self._ended.why if self._ended else 'is not connected'}"

    def _probe(self) -> None:
        """After a time-out, end the session if the server does not answer at all any more."""

        async def probe(session: ClientSession) -> None:
            if not await answers(session):
                self._end(Ended("did not answer any more"))

        if self._session is not None and not self._probes:
            task = asyncio.create_task(probe(self._session))
            self._probes.add(task)
            task.add_done_callback(self._probes.discard)
