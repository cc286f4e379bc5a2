"""Tokens that were found valid a moment ago."""

from __future__ import annotations

import time
from collections.abc import Callable

from evolvent.daemon.api.threads import in_thread
from evolvent.storage import Tokens
from evolvent.types import TokenInfo

__all__ = ["Callers"]

REMEMBERED = 1.0
"""Seconds for which a valid token is not looked up again: the way to a thread and back costs more than the request."""
MOST = 1_000


class Callers:
    """Looks tokens up in threads, each valid one at most once a second; only used on the event loop.

    Args:
        tokens: of the home.
        clock: seconds, monotonic.
    """

    def __init__(self, tokens: Tokens, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens, self._clock = tokens, clock
        self._known: dict[str, tuple[float, TokenInfo]] = {}

    async def check(self, token: str) -> TokenInfo | None:
        """Return what a token may do; None where it is not valid, or was not a second ago."""
        at, info = self._known.get(token, (0.0, None))
        now = self._clock()
        if info is not None and now - at < REMEMBERED:
            return info
        found = await in_thread(self._tokens.check, token)
        self._known.pop(token, None)
        if found is not None:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[token] = (now, found)
        return found
