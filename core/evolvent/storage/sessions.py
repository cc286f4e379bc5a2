"""Sessions of the dashboard: what a browser's cookie stands for."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable

from sqlalchemy import Engine, delete, insert
from sqlalchemy.orm import Session

from evolvent.storage.tables import SessionRow
from evolvent.storage.tokens import Tokens
from evolvent.types import TokenInfo

__all__ = ["SESSION_SECONDS", "Sessions"]

SESSION_SECONDS = 12 * 3600.0
_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")


class Sessions:
    """The sessions of one home. They outlive the daemon's process, so that a page goes on after a restart.

    A session is a token's: it ends with it, and may what it may. The cookie has 256 random bits, of which the
    database keeps a hash.

    Args:
        engine: of `evolvent.db`.
        tokens: of the same home.
        clock: Unix time in seconds.
    """

    def __init__(self, engine: Engine, tokens: Tokens, clock: Callable[[], float] = time.time) -> None:
        self._engine, self._tokens, self._clock = engine, tokens, clock

    def begin(self, token: TokenInfo) -> str:
        """Begin a session with a token that was checked; return the secret for the cookie."""
        secret, now = secrets.token_urlsafe(32), self._clock()
        row = {"digest": _digest(secret), "token_id": token.id, "ends_at": now + SESSION_SECONDS}
        with self._engine.begin() as connection:
            connection.execute(delete(SessionRow).where(SessionRow.ends_at <= now))
            connection.execute(insert(SessionRow).values(**row))
        return secret

    def check(self, secret: str) -> TokenInfo | None:
        """Return the token of a session; None where there is none, or it or its token has ended."""
        if not _SHAPE.fullmatch(secret):
            return None
        with Session(self._engine) as session:
            row = session.get(SessionRow, _digest(secret))
            if row is None or row.ends_at <= self._clock():
                return None
            token_id = row.token_id
        return self._tokens.alive(token_id)

    def end(self, secret: str) -> None:
        """End a session; an unknown one is none already."""
        with self._engine.begin() as connection:
            connection.execute(delete(SessionRow).where(SessionRow.digest == _digest(secret)))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
