"""The two directions of a transport."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from anyio.streams.memory import MemoryObjectSendStream
from mcp.shared.message import SessionMessage

__all__ = ["Streams", "Transport"]


class Streams(NamedTuple):
    """An open transport."""

    incoming: AsyncIterator[SessionMessage | Exception | None]
    """None: a line that was no message."""
    outgoing: MemoryObjectSendStream[SessionMessage]
    ended: Callable[[], bool]
    """Whether the server is known to have ended, so that nothing can reach it."""


Transport = Callable[[Callable[[BaseException], None]], AbstractAsyncContextManager[Streams]]
"""Opens a transport; what it is given is told when an answer broke off."""
