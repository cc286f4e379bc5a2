"""Registers the servers of the file as tools."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from evolvent.errors import UsageError
from evolvent.settings import Settings
from evolvent_plugins.mcp.config import NAME, read_config

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from evolvent.protocols import RegisterTool

__all__ = ["register_servers"]

_log = logging.getLogger(__name__)


def register_servers(register: RegisterTool, path: Path) -> None:
    """Register a factory for each server of a file."""
    try:
        config = read_config(path)
    except UsageError as error:
        _log.warning("no MCP server is offered: %s", error)
        return
    for fault in config.faults.values():
        _log.warning("%s", fault)
    wanted = [name for name, server in config.servers.items() if not server.disabled]
    for name in [*wanted, *(name for name in config.faults if NAME.fullmatch(name))]:
        register(f"mcp.{name}", _factory(name))


def _factory(name: str) -> Callable[..., list[BaseTool]]:
    return partial(_tools_of, name)


def _tools_of(name: str, settings: Settings) -> list[BaseTool]:
    """Connect to a server and return its tools; the file is read again, so that a mended entry counts.

    Raises:
        UsageError: the entry is damaged or gone.
        MissingPrerequisite: the server's command is not installed.
        ServerFailed: the server cannot be reached or does not keep to the protocol.
    """
    from evolvent_plugins.mcp.servers import server_of
    from evolvent_plugins.mcp.tools import make_tools

    return make_tools(server_of(name, settings))
