"""Bearer tokens of the HTTP API, without their secrets."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from evolvent.types._base import Frozen

__all__ = ["LoginCode", "LoginCodeState", "Scope", "TokenInfo"]


class Scope(StrEnum):
    """What a token may do; each includes those before it."""

    READ = "read"
    """See everything."""
    SUBMIT = "submit"
    """Hand in jobs, cancel them and try them again."""
    ADMIN = "admin"
    """Decide: answer approvals, change skills, memory and the active program, pause the daemon."""

    def includes(self, other: Scope) -> bool:
        """Whether who may do this may do the other."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


class TokenInfo(Frozen):
    """What is kept of a token. Times are ISO 8601 in UTC."""

    id: str
    name: str
    """What it is for."""
    scopes: tuple[Scope, ...]
    created_at: str
    expires_at: str | None = None
    """None: never."""
    revoked_at: str | None = None

    def valid_at(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        ends = self.expires_at
        return self.revoked_at is None and (ends is None or now < datetime.fromisoformat(ends))

    def may(self, scope: Scope) -> bool:
        """Whether it may do what needs a scope."""
        return any(own.includes(scope) for own in self.scopes)


class LoginCode(Frozen):
    """A one-time code for the login of the dashboard."""

    id: str
    """Names the code to who made it, and logs nobody in."""
    code: str
    path: str
    """Of the page that takes it. The code is in the fragment, which browsers do not send, so that no log has it."""
    seconds: float
    """For which it can be used, once."""


class LoginCodeState(Frozen):
    """What has become of a one-time code."""

    id: str
    pending: bool
    """Whether it can still be used: nobody has, and it has not ended."""
