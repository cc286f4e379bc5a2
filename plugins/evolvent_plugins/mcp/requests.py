"""What is asked of a server: its tools, a call, and whether it still answers."""

from __future__ import annotations

import asyncio
from typing import Any

from mcp import ClientSession, McpError
from mcp.types import (
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    ClientRequest,
    ListToolsRequest,
    PaginatedRequestParams,
)
from pydantic import BaseModel, ValidationError

from evolvent_plugins.mcp.errors import CallFailed, ServerFailed

__all__ = ["answers", "call_tool", "list_tools"]

LISTED = 1_000
"""Tools that are read at all; a server's `include` chooses among them."""
PAGES = 100
PING_SECONDS = 2.0


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


async def call_tool(
    session: ClientSession, server: str, tool: str, arguments: dict[str, Any]
) -> CallToolResult:
    """Call a tool.

    Not `session.call_tool`: it checks the result against a schema of the server, patterns included.

    Raises:
        CallFailed: the answer is no result.
    """
    request = CallToolRequest(params=CallToolRequestParams(name=tool, arguments=arguments))
    try:
        return await session.send_request(ClientRequest(request), CallToolResult)
    except ValidationError as error:
        raise CallFailed(
            f"the MCP server {server!r} sent a result that is not what the protocol says"
        ) from error


async def answers(session: ClientSession) -> bool:
    """Whether a server answers a ping within two seconds; a refusal is an answer."""
    try:
        await asyncio.wait_for(session.send_ping(), PING_SECONDS)
    except TimeoutError:
        return False
    except McpError:
        return True
    return True
