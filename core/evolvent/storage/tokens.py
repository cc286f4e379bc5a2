"""Bearer tokens of the HTTP API: shown once, kept as hashes."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.orm import Session

from evolvent.errors import UnknownName, UsageError
from evolvent.storage.durable import write_whole
from evolvent.storage.tables import TokenRow
from evolvent.types import Scope, TokenInfo

__all__ = ["LOCAL", "Tokens", "local_token"]

LOCAL = "local"
"""Name of the token in the home's own file."""
LONGEST = 100 * 365.25 * 86_400.0
"""Seconds after which a token may expire at the latest."""
_SHAPE = re.compile(r"evo_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NOBODY = hashlib.sha256(b"").hexdigest()


class Tokens:
    """The tokens of one home.

    A token is `evo_<id>_<256 random bits>`. The id finds the row, and the hash of the whole is compared in constant
    time; a hash without salt or rounds is enough for 256 random bits, which nobody can guess from it.

    Args:
        engine: of `evolvent.db`.
        clock: Unix time in seconds.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine, self._clock = engine, clock

    def create(
        self, name: str, scopes: Iterable[Scope], seconds: float | None = None
    ) -> tuple[str, TokenInfo]:
        """Make a token.

        Args:
            name: what it is for.
            scopes: what it may do.
            seconds: until it expires; None: never.

        Returns:
            The token, which cannot be had again, and what is kept of it.

        Raises:
            UsageError: the name is empty, too long or the command line's own, there is no scope, or the time is not
                above 0 and at most a hundred years.
        """
        if name.strip() == LOCAL:
            raise UsageError(
                f"the name {name!r} is that of the command line's own token, which each start of the daemon revokes; "
                "give another one"
            )
        return self._make(name, scopes, seconds)

    def _make(
        self, name: str, scopes: Iterable[Scope], seconds: float | None = None
    ) -> tuple[str, TokenInfo]:
        chosen = sorted(set(scopes))
        if not 0 < len(name.strip()) <= 80:
            raise UsageError(f"the name {name!r} of the token must have 1 to 80 characters")
        if not chosen:
            raise UsageError(f"the token {name!r} has no scope; allowed: {', '.join(Scope)}")
        if seconds is not None and seconds <= 0:
            raise UsageError(f"the token {name!r} would expire after {seconds:g} seconds; give more than 0")
        if seconds is not None and not seconds <= LONGEST:
            raise UsageError(
                f"the token {name!r} would expire after {seconds:g} seconds; give at most {LONGEST:g}, a hundred "
                "years, or nothing: then it never does"
            )
        now = self._clock()
        token_id = secrets.token_hex(6)
        token = f"evo_{token_id}_{secrets.token_urlsafe(32)}"
        row = {
            "id": token_id,
            "name": name.strip(),
            "scopes": [scope.value for scope in chosen],
            "digest": _digest(token),
            "created_at": _text(now),
            "expires_at": None if seconds is None else _text(now + seconds),
        }
        with self._engine.begin() as connection:
            connection.execute(insert(TokenRow).values(**row))
        return token, self.get(token_id)

    def check(self, token: str) -> TokenInfo | None:
        """Return what a token may do; None where it is malformed, unknown, expired or revoked."""
        shape = _SHAPE.fullmatch(token)
        with Session(self._engine) as session:
            row = session.get(TokenRow, shape[1]) if shape else None
            same = hmac.compare_digest(_digest(token), row.digest if row else _NOBODY)
            if row is None or not same:
                return None
            info = _info(row)
        return self._valid(info)

    def alive(self, token_id: str) -> TokenInfo | None:
        """Return the token of an id that was kept; None where it is unknown, expired or revoked."""
        with Session(self._engine) as session:
            row = session.get(TokenRow, token_id)
            return None if row is None else self._valid(_info(row))

    def valid(self) -> list[TokenInfo]:
        """Return the tokens that are neither expired nor revoked, oldest first."""
        return [info for info in self.list() if self._valid(info)]

    def get(self, which: str) -> TokenInfo:
        """Return a token by its id, or by its name where only one valid token has it.

        Raises:
            UnknownName: there is none, or more than one of this name.
        """
        known = self.list()
        found = [info for info in known if info.id == which]
        found = found or [info for info in self.valid() if info.name == which]
        if len(found) != 1:
            hint = "Several have this name: give the id." if found else "See `evolvent tokens list`."
            raise UnknownName("token", which, [info.id for info in found or known], hint)
        return found[0]

    def revoke(self, which: str) -> TokenInfo:
        """Make a token worthless; one that was revoked before keeps its time.

        Raises:
            UnknownName: there is none, or more than one of this name.
        """
        info = self.get(which)
        with self._engine.begin() as connection:
            connection.execute(
                update(TokenRow)
                .where(TokenRow.id == info.id, TokenRow.revoked_at.is_(None))
                .values(revoked_at=_text(self._clock()))
            )
        return self.get(info.id)

    def list(self) -> list[TokenInfo]:
        """Return all tokens, oldest first; also those that are expired or revoked."""
        with Session(self._engine) as session:
            query = select(TokenRow).order_by(TokenRow.created_at, TokenRow.id)
            return [_info(row) for row in session.scalars(query)]

    def _valid(self, info: TokenInfo) -> TokenInfo | None:
        return info if info.valid_at(datetime.fromtimestamp(self._clock(), UTC)) else None


def local_token(path: Path, tokens: Tokens) -> str:
    """Make the token of this machine's command line anew, and write it where only the home's owner reads it.

    The one of the last start is revoked.

    Args:
        path: `Home.token`.
        tokens: of the home.
    """
    for info in tokens.valid():
        if info.name == LOCAL:
            tokens.revoke(info.id)
    token, _ = tokens._make(LOCAL, [Scope.ADMIN])
    write_whole(path, f"{token}\n".encode(), durable=True, mode=0o600)
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _info(row: TokenRow) -> TokenInfo:
    return TokenInfo.model_validate({name: getattr(row, name) for name in TokenInfo.model_fields})
