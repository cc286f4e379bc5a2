"""Asks a server for its tools."""

from __future__ import annotations

from typing import Any

from mcp import ClientSession
from mcp.types import ClientRequest, ListToolsRequest, PaginatedRequestParams
from pydantic import BaseModel, ValidationError

from evolvent_plugins.mcp.errors import ServerFailed

__all__ = ["list_tools"]

LISTED = 1_000
"""Tools that are read at all; a server's `include` chooses among them."""
PAGES = 100


class _Page(BaseModel):
    """A page of the list of tools, whose entries are judged one by one."""

    tools: list[dict[str, Any]]
    nextCursor: str | None = None


async def list_tools(session: ClientSession) -> list[dict[str, Any]]:
    """Return the tools as the server describes them.

    Raises:
        ServerFailed: it has too many, or its answer is no list of tools.
    """
    listed: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(PAGES):
        request = ListToolsRequest(params=PaginatedRequestParams(cursor=cursor))
        try:
            page = await session.send_request(ClientRequest(request), _Page)
        except ValidationError as error:
            raise ServerFailed("sent a list of tools that is not what the protocol says") from error
        listed += page.tools
        cursor = page.nextCursor
        if len(listed) > LISTED:
            raise ServerFailed(f"lists more than {LISTED} tools")
        if not cursor:
            return listed
    raise ServerFailed(f"lists its tools on more than {PAGES} pages")
