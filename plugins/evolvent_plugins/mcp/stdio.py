"""A server that is a child process: one JSON message a line on its stdin and stdout.

Not the SDK's `stdio_client`: that one reads a line of any length, logs what is no message on our stderr, and hands
the server's stderr to a file without a bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from asyncio.subprocess import Process, SubprocessStreamProtocol
from collections.abc import AsyncIterator
from pathlib import Path

from anyio import create_memory_object_stream
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCMessage
from pydantic import ValidationError

from evolvent.errors import MissingPrerequisite
from evolvent_plugins.mcp.config import ServerConfig, expand
from evolvent_plugins.mcp.errors import ServerFailed
from evolvent_plugins.mcp.server_log import ServerLog
from evolvent_plugins.mcp.streams import Streams

__all__ = ["MESSAGE_BYTES", "stdio_streams"]

MESSAGE_BYTES = 4 * 1024 * 1024
GRACE_SECONDS = 2.0
"""For ending after its stdin was closed, and again after SIGTERM."""

LAST_WORDS_SECONDS = 0.2


@contextlib.asynccontextmanager
async def stdio_streams(name: str, config: ServerConfig, base: Path, log: Path) -> AsyncIterator[Streams]:
    """Start a server and yield its streams; at the end no process of it is left.

    Args:
        name: of the server, for errors.
        config: of the server; `command` is set.
        base: folder that a relative `cwd` starts from.
        log: takes the server's stderr, and lines on its stdout that are no messages.

    Raises:
        UsageError: an environment variable that the file names is not set.
        MissingPrerequisite: the command is not installed.
        ServerFailed: it cannot be started.
    """
    process, watcher = await _start(name, config, base)
    notes = ServerLog(log)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    sender, outgoing = create_memory_object_stream[SessionMessage](0)
    helpers = [
        asyncio.create_task(_write(process.stdin, outgoing)),
        asyncio.create_task(_keep(process.stderr, notes)),
    ]
    try:
        yield Streams(_messages(process.stdout, notes), sender, watcher.exited.is_set)
    finally:
        for helper in helpers:
            helper.cancel()
        await _end(process, watcher)
        await asyncio.gather(*helpers, return_exceptions=True)
        notes.close()
        outgoing.close()
        sender.close()
        watcher.close()


class _Watcher(SubprocessStreamProtocol):
    """Notices the end of a process, also when something that it started still holds its pipes open."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=MESSAGE_BYTES, loop=loop)
        self._own_loop = loop
        self._made: asyncio.SubprocessTransport | None = None
        self.exited = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        super().connection_made(transport)
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._made = transport

    def process_exited(self) -> None:
        """Say so, and soon end its output: what it wrote last may still be on its way."""
        super().process_exited()
        self.exited.set()
        self._own_loop.call_later(LAST_WORDS_SECONDS, self._close_pipes)

    def close(self) -> None:
        """Let go of the process and its pipes."""
        if self._made is not None:
            self._made.close()

    def _close_pipes(self) -> None:
        for number in (1, 2):
            pipe = self._made.get_pipe_transport(number) if self._made is not None else None
            if pipe is not None:
                pipe.close()


async def _start(name: str, config: ServerConfig, base: Path) -> tuple[Process, _Watcher]:
    where = f"the MCP server {name!r}"
    given = {key: expand(value, f"{where}, env.{key}") for key, value in config.env.items()}
    environment = {**get_default_environment(), **given}
    command = shutil.which(os.path.expanduser(config.command or ""), path=environment.get("PATH"))
    if command is None:
        raise MissingPrerequisite(
            f"{where} needs the command {config.command!r}, which is not installed or not executable",
            f"install {config.command}, or mend its entry in the file of servers",
        )
    loop = asyncio.get_running_loop()
    try:
        transport, watcher = await loop.subprocess_exec(
            lambda: _Watcher(loop),
            command,
            *config.args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd=base / os.path.expanduser(config.cwd) if config.cwd else None,
            start_new_session=True,  # Ctrl-C is for us; it ends when its stdin does
        )
    except (OSError, ValueError) as error:
        raise ServerFailed(f"{where} cannot be started: {error}") from error
    return Process(transport, watcher, loop), watcher


async def _messages(stdout: asyncio.StreamReader, notes: ServerLog) -> AsyncIterator[SessionMessage | None]:
    while True:
        try:
            line = await stdout.readline()
        except ValueError:
            raise ServerFailed(f"sent a message of more than {MESSAGE_BYTES} bytes") from None
        if not line:
            return
        try:
            yield SessionMessage(JSONRPCMessage.model_validate_json(line))
        except ValidationError:
            notes.write(line[:500].rstrip() + b"\n")
            yield None


async def _write(stdin: asyncio.StreamWriter, outgoing: MemoryObjectReceiveStream[SessionMessage]) -> None:
    async for item in outgoing:
        text = item.message.model_dump_json(by_alias=True, exclude_none=True)
        stdin.write(text.encode() + b"\n")
        with contextlib.suppress(ConnectionError):  # its stdout ends as well, which is noticed there
            await stdin.drain()


async def _keep(stderr: asyncio.StreamReader, notes: ServerLog) -> None:
    while chunk := await stderr.read(65_536):
        notes.write(chunk)


async def _end(process: Process, watcher: _Watcher) -> None:
    """End a server as the protocol says: close its stdin, then SIGTERM, then SIGKILL, also to what it started."""
    assert process.stdin is not None
    process.stdin.close()
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            _signal(process.pid, number)
        try:
            await asyncio.wait_for(watcher.exited.wait(), GRACE_SECONDS)
            break
        except TimeoutError:
            continue
    _signal(process.pid, signal.SIGKILL)


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
