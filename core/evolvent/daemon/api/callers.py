"""Tokens and sessions that were found valid a moment ago."""

from __future__ import annotations

import time
from collections.abc import Callable

from evolvent.daemon.api.threads import in_thread
from evolvent.types import TokenInfo

__all__ = ["Callers"]

REMEMBERED = 1.0
"""Seconds for which a valid token is not looked up again: the way to a thread and back costs more than the request."""
MOST = 1_000


class Callers:
    """Looks secrets up in threads, each valid one at most once a second; only used on the event loop.

    Args:
        look_up: returns what a token, or the token of a session, may do.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        look_up: Callable[[str], TokenInfo | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look_up, self._clock = look_up, clock
        self._known: dict[str, tuple[float, TokenInfo]] = {}

    async def check(self, secret: str) -> TokenInfo | None:
        """Return what it may do; None where it is not valid, or was not a second ago."""
        at, info = self._known.get(secret, (0.0, None))
        now = self._clock()
        if info is not None and now - at < REMEMBERED:
            return info
        found = await in_thread(self._look_up, secret)
        self._known.pop(secret, None)
        if found is not None:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[secret] = (now, found)
        return found

    def forget(self, secret: str) -> None:
        """Look a secret up the next time, since it has just ended."""
        self._known.pop(secret, None)
