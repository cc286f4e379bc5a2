"""Codes that stand for a token, once and for a short time."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable

from evolvent.errors import UsageError
from evolvent.storage import Tokens
from evolvent.storage.sessions import SESSION_SECONDS
from evolvent.storage.tokens import LOCAL
from evolvent.types import TokenInfo

__all__ = ["CODES_OF_TOKEN", "LoginCodes", "TooManyCodes", "code_id"]

CODES_OF_TOKEN = 10
"""Codes of one token at once that nobody has used: more than anybody opens pages in a minute."""

ID = 16


class TooManyCodes(UsageError):
    """A token has as many unused codes as it may have.

    Args:
        token: its name.
        seconds: until the oldest of them has ended.
    """

    def __init__(self, token: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(
            f"the token {token!r} has {CODES_OF_TOKEN} login codes that nobody has used, which is all that it may "
            f"have; use one of them, or wait {seconds:.0f} s until the oldest has ended"
        )


class LoginCodes:
    """Codes of one process; only hashes of them are kept.

    Args:
        tokens: of the home.
        seconds: for which a code can be used.
        clock: seconds, monotonic.
    """

    def __init__(
        self, tokens: Tokens, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self._tokens, self._clock = tokens, clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, str]] = {}

    def make(self, token: TokenInfo) -> str:
        """Return a new code that stands for a token.

        Raises:
            TooManyCodes: the token has too many that nobody has used.
        """
        code = secrets.token_urlsafe(32)
        with self._lock:
            now = self._clock()
            self._kept = {key: kept for key, kept in self._kept.items() if now < kept[0]}
            ends = [until for until, of in self._kept.values() if of == token.id]
            if len(ends) >= CODES_OF_TOKEN:
                raise TooManyCodes(token.name, min(ends) - now)
            self._kept[_digest(code)] = (now + self.seconds, token.id)
        return code

    def pending(self, code_id: str, token: TokenInfo) -> bool:
        """Whether a code of a token can still be used; `code_id` is that of `code_id()`."""
        with self._lock:
            return any(
                key[:ID] == code_id and of == token.id and self._clock() < until
                for key, (until, of) in self._kept.items()
            )

    def take(self, code: str, *, only_local: bool = False) -> TokenInfo | None:
        """Return the token that a code stands for; None where it is unknown, used or too old, or the token has ended.

        With `only_local` also None where the command line did not make the code.

        The command line's own token changes with each start of the daemon. A code of that one stands for a new token,
        `dashboard`, so that a page goes on after a restart; it can be revoked like any other.
        """
        with self._lock:
            until, token_id = self._kept.pop(_digest(code), (0.0, ""))
        token = self._tokens.alive(token_id) if token_id and self._clock() < until else None
        if token is None or token.name != LOCAL:
            return None if only_local else token
        return self._tokens.create("dashboard", token.scopes, SESSION_SECONDS)[1]


def code_id(code: str) -> str:
    """Return what names a code and tells nothing of it."""
    return _digest(code)[:ID]


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
