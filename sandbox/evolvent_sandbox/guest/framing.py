"""Frames on the one pipe to the host: four bytes of length, big-endian, then that many bytes."""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Pipe", "PipeClosed", "read_exactly", "write_all"]


class PipeClosed(Exception):
    """The host is gone."""


def read_exactly(fd: int, size: int) -> bytes:
    """Return exactly `size` bytes.

    Raises:
        PipeClosed: the other end closed first.
    """
    chunks = []
    while size:
        chunk = os.read(fd, min(size, 1 << 20))
        if not chunk:
            raise PipeClosed
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def write_all(fd: int, data: bytes) -> None:
    """Write all bytes.

    Raises:
        PipeClosed: the other end closed first.
    """
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except (BrokenPipeError, ConnectionResetError):
        raise PipeClosed from None


class Pipe:
    """The guest's end of the pipe to the host: one descriptor, or one for each direction."""

    def __init__(self, fd: int, write_fd: int | None = None) -> None:
        self.fd = fd
        self.write_fd = fd if write_fd is None else write_fd

    def read(self) -> Any:
        """Return the next message of the host, which is trusted JSON.

        Raises:
            PipeClosed: the host is gone.
        """
        import json

        size = int.from_bytes(read_exactly(self.fd, 4), "big")
        return json.loads(read_exactly(self.fd, size))

    def write(self, text: str) -> None:
        """Send one JSON text.

        Raises:
            PipeClosed: the host is gone.
        """
        self.write_bytes(text.encode())

    def write_bytes(self, data: bytes) -> None:
        """Send one frame.

        Raises:
            PipeClosed: the host is gone.
        """
        write_all(self.write_fd, len(data).to_bytes(4, "big") + data)

    def host_is_gone(self) -> bool:
        """Whether the host has closed its end."""
        poll = select.poll()
        poll.register(self.fd, select.POLLRDHUP)
        return bool(poll.poll(0))
