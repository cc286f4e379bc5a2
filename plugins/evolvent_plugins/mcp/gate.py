"""What of a server's messages reaches the SDK's session: answers, and the few requests that it understands.

The SDK logs whatever it does not understand, server's text included, and takes notifications without end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from anyio import BrokenResourceError, ClosedResourceError
from anyio.streams.memory import MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCError, JSONRPCRequest, JSONRPCResponse, ServerRequest
from pydantic import ValidationError

from evolvent_plugins.mcp.errors import ServerFailed

__all__ = ["Gate"]

MESSAGES = 10_000
"""Messages of any kind that a server may send from one of our requests to the next."""


class Gate:
    """Lets through what is asked for, and counts the rest."""

    def __init__(self) -> None:
        self._left = MESSAGES

    def refill(self) -> None:
        """Begin to count anew: something was asked."""
        self._left = MESSAGES

    async def forward(
        self,
        source: AsyncIterator[SessionMessage | Exception | None],
        sink: MemoryObjectSendStream[SessionMessage | Exception],
    ) -> None:
        """Forward messages until the source ends; None stands for a line that was no message.

        Raises:
            ServerFailed: the server sends too much, or the transport reports an error.
        """
        async for item in source:
            self._left -= 1
            if self._left < 0:
                raise ServerFailed(f"sent more than {MESSAGES} messages that nobody asked for")
            if isinstance(item, Exception):
                raise ServerFailed(
                    f"sent what is not a message of the protocol ({type(item).__name__})"
                ) from item
            if item is not None and _wanted(item):
                try:
                    await sink.send(item)
                except (BrokenResourceError, ClosedResourceError):
                    return


def _wanted(item: SessionMessage) -> bool:
    message = item.message.root
    if isinstance(message, JSONRPCResponse | JSONRPCError):
        return isinstance(message.id, int) or (message.id.isascii() and message.id.isdigit())
    if isinstance(message, JSONRPCRequest):
        try:
            ServerRequest.model_validate(message.model_dump(by_alias=True, mode="json", exclude_none=True))
        except (ValidationError, ValueError):
            return False
        return True
    return False
