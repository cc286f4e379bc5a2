"""Why a connection ended, in words."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from mcp import McpError

from evolvent.errors import EvolventError
from evolvent_plugins.mcp.schemas import readable

__all__ = ["Ended", "why_ended"]


@dataclass(frozen=True)
class Ended:
    """The end of a connection."""

    why: str
    unheard: bool = False
    """Whether the server surely never got the request that was under way."""
    error: EvolventError | None = None
    """One of ours that says all there is to say."""


def why_ended(error: BaseException) -> Ended:
    """Explain what a transport or the SDK raised."""
    leaves = _leaves(error)
    for leaf in leaves:
        if isinstance(leaf, EvolventError):
            return Ended(str(leaf), error=leaf)
        if isinstance(leaf, httpx.HTTPStatusError):
            code = leaf.response.status_code
            hint = "; set the header that it wants in the file of servers" if code in (401, 403) else ""
            return Ended(f"answered with HTTP status {code}{hint}")
        if isinstance(leaf, McpError):
            return Ended(f"refused: {readable(leaf.error.message, lines=False)[:300]}")
    if leaves and all(isinstance(leaf, httpx.ConnectError | httpx.ConnectTimeout) for leaf in leaves):
        return Ended("does not accept connections", unheard=True)
    return Ended(f"broke off ({', '.join(sorted({type(leaf).__name__ for leaf in leaves}))})")


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
