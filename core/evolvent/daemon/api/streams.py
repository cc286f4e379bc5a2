"""Places for streams of events: how many may be open, in all and for one token."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from evolvent.daemon.api.problems import Problem
from evolvent.types import TokenInfo

__all__ = ["MAX_STREAMS", "STREAMS_OF_TOKEN", "EventStream", "Streams"]

MAX_STREAMS = 500
"""Streams at once."""
STREAMS_OF_TOKEN = 50
"""Streams at once of one token: a tenth of all, so that one program that loses count leaves others theirs; and more
than the pages that a person has open."""
PING = 15.0
"""Seconds from one sign of life to the next."""
RETRY_AFTER = {"Retry-After": "10"}


class Streams:
    """Counts the streams that are open; only used on the event loop, so it needs no lock."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """Streams that are open."""
        return self._open.total()

    def take(self, token: TokenInfo) -> None:
        """Take a place for a stream of a token.

        Raises:
            Problem: there is none left, for this token or for anybody.
        """
        if self._open[token.id] >= STREAMS_OF_TOKEN:
            raise Problem(
                429,
                "too-many",
                f"{STREAMS_OF_TOKEN} streams of the token {token.name!r} are open, which is all that one token may "
                "have; close one, or give each program and person a token of its own: `evolvent tokens create NAME "
                "--scope read`",
                headers=RETRY_AFTER,
            )
        if self.count >= MAX_STREAMS:
            detail = f"{MAX_STREAMS} streams are open, which is all that there may be; come back later"
            raise Problem(503, "too-many", detail, headers=RETRY_AFTER)
        self._open[token.id] += 1

    def give_back(self, token: TokenInfo) -> None:
        """Give the place of a stream back."""
        self._open[token.id] -= 1
        if not self._open[token.id]:
            del self._open[token.id]


class EventStream(EventSourceResponse):
    """A stream that has a place until it is over, however it ends.

    Args:
        content: what is sent.
        streams: where it takes its place.
        token: whose stream it is.
        headers: further headers of the answer.

    Raises:
        Problem: there is no place.
    """

    def __init__(
        self,
        content: AsyncIterator[ServerSentEvent | bytes],
        streams: Streams,
        token: TokenInfo,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        streams.take(token)
        self._streams, self._token = streams, token
        super().__init__(content, headers=headers, ping=PING, send_timeout=30, sep="\n")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.give_back(self._token)
