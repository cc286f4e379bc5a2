"""The Model Context Protocol, both ways: tools of MCP servers for guests, and the skill library for other agents.

`mcp.json` in the home names the servers. Each is registered as `mcp.NAME` with a factory that connects on first
use. What a server says of itself is untrusted: what its tools touch is declared in that file, or they are denied.

A damaged file never raises in a hook: the host would then drop `evolvent mcp` as well, the command that explains it.
A damaged entry is registered with a factory that raises what is wrong with it; a file that cannot be read at all
registers nothing. Both are logged, and fail the self-check of `evolvent plugins doctor`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from evolvent.hookspecs import hookimpl

if TYPE_CHECKING:
    from evolvent.protocols import Check, RegisterTool
    from evolvent.settings import Settings

__all__ = ["close", "register_checks", "register_commands", "register_tools"]


@hookimpl
def register_tools(register: RegisterTool, settings: Settings) -> None:
    """Register each MCP server as `mcp.NAME`; nothing is started yet."""
    from evolvent_plugins.mcp.registration import register_servers

    register_servers(register, settings.mcp_path)


@hookimpl
def register_commands(register: Callable[[str, Any], None]) -> None:
    """Register `evolvent mcp`."""
    register("mcp", "evolvent_plugins.mcp.commands:app")


@hookimpl
def register_checks(register: Callable[[str, Check], None]) -> None:
    """Register the self-check `mcp`: whether the file of servers can be read."""
    register("mcp", _check)


def close() -> None:
    """End every session and server process that this process started. May be called twice."""
    from evolvent_plugins.mcp.servers import close_all

    close_all()


def _check(settings: Settings) -> str | None:
    from evolvent.errors import UsageError
    from evolvent_plugins.mcp.config import read_config

    config = read_config(settings.mcp_path)
    if config.faults:
        raise UsageError("\n".join(config.faults.values()))
    return f"{len(config.servers)} server(s) in {settings.mcp_path}" if config.servers else None
