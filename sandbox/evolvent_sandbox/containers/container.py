"""A guest in a container of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from evolvent.errors import SandboxLost
from evolvent.types import Limits
from evolvent_sandbox.containers.engine import Engine
from evolvent_sandbox.guests import End, Guest
from evolvent_sandbox.pipes import GuestPipe

__all__ = ["AttachedStream", "ContainerGuest"]

STDERR = 2
MAX_SAID = 64 * 1024
MAX_UNREAD = 1024 * 1024
"""Bytes of stderr after which a container is given up; a guest that has reported writes none."""
DRAIN_BYTES = 8 * 1024 * 1024
POLL_SECONDS = 0.02


class AttachedStream(GuestPipe):
    """A container's stdin and stdout on one attach connection; its stderr is put aside.

    The engine sends a header before each piece of output: the stream's number in the first byte, the size in
    the last four, big-endian.
    """

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self._header = bytearray()
        self._kind = 0
        self._left = 0
        self._said = bytearray()
        self._unread = 0

    def recv(self, bufsize: int, /) -> bytes:
        """Return bytes of the container's stdout; empty when the connection is closed."""
        while True:
            while not self._left:
                piece = super().recv(8 - len(self._header))
                if not piece:
                    return b""
                self._header += piece
                if len(self._header) == 8:
                    self._kind, self._left = self._header[0], int.from_bytes(self._header[4:], "big")
                    self._header.clear()
            data = super().recv(min(bufsize, self._left))
            if not data:
                return b""
            self._left -= len(data)
            if self._kind != STDERR:
                return data
            self._said += data[: MAX_SAID - len(self._said)]
            self._unread += len(data)
            if self._unread > MAX_UNREAD:
                raise ConnectionAbortedError("the container floods its stderr")

    def said(self) -> str:
        """Return the beginning of what the container wrote to its stderr."""
        return bytes(self._said).decode("utf-8", "replace")

    def _drain(self, connection: socket.socket) -> None:
        """Read away what has arrived: an engine whose stream nobody reads can hang at a kill."""
        with contextlib.suppress(OSError):
            connection.setblocking(False)
            left = DRAIN_BYTES
            while left > 0 and (data := connection.recv(1 << 20)):
                left -= len(data)


class ContainerGuest(Guest):
    """One container, removed when the guest is killed."""

    def __init__(self, engine: Engine, container: str, stream: AttachedStream) -> None:
        super().__init__(stream)
        self.container = container
        """The engine's id of it."""
        self._engine = engine
        self._stream = stream
        self._removing = threading.Lock()
        self._removed = False

    def said(self) -> str:
        """Return what the container wrote to its stderr before it reported."""
        return self._stream.said()

    def wait(self, seconds: float, limits: Limits) -> End | None:
        """Wait for the container to end on its own; None when it has not.

        Raises:
            SandboxLost: the engine is gone.
        """
        deadline = time.monotonic() + seconds
        while True:
            with self._engine.asking("say how a container ended") as api:
                state = api.inspect_container(self.container)["State"]
            if not state["Running"]:
                return End(int(state["ExitCode"]), _limit_of(state))
            if time.monotonic() > deadline:
                return None
            time.sleep(POLL_SECONDS)

    def kill(self) -> None:
        """Remove the container with everything in it. Idempotent; an engine that is gone is not waited for."""
        self._stream.close()
        with self._removing:
            if self._removed:
                return
            self._removed = True
            with contextlib.suppress(SandboxLost), self._engine.asking("remove a container") as api:
                api.remove_container(self.container, force=True, v=True)


def _limit_of(state: dict[str, object]) -> str | None:
    """Return the limit behind the end of a container whose first process nobody else may kill."""
    if state.get("OOMKilled"):
        return "total_memory_bytes"
    return "cpu_seconds" if state["ExitCode"] == 137 else None
