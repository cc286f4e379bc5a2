"""The two directions of a transport."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from anyio.streams.memory import MemoryObjectSendStream
from mcp.shared.message import SessionMessage

__all__ = ["Streams"]


class Streams(NamedTuple):
    """What comes from a server (None: a line that was no message), and where to put what goes to it."""

    incoming: AsyncIterator[SessionMessage | Exception | None]
    outgoing: MemoryObjectSendStream[SessionMessage]
