"""An attempt in full: all that its agent asked, and all that it heard."""

from __future__ import annotations

from evolvent.types._base import Frozen, JsonValue
from evolvent.types.attempt import Attempt
from evolvent.types.usage import Usage

__all__ = ["Episode", "Exchange"]


class Exchange(Frozen):
    """One request to the broker with its answer."""

    session_id: str
    """The attempt's own session, or one that a strategy opened inside it."""
    sequence: int
    method: str
    params: dict[str, JsonValue]
    result: JsonValue = None
    error: str | None = None
    """`Kind: message` where it was refused or failed."""
    usage: Usage = Usage()


class Episode(Frozen):
    """An attempt with its full trajectory."""

    attempt: Attempt
    exchanges: tuple[Exchange, ...] = ()
    cut: tuple[str, ...] = ()
    """What was too large to keep whole, and what stands in its place; empty: nothing is missing."""
