"""Tools for guests: Python in the sandbox, files of one folder, and requests to hosts that the settings name.

The modules below are imported when a tool is first used: LangChain and httpx take longer to import than all plugins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evolvent.hookspecs import hookimpl
from evolvent.protocols import FunctionServer, RegisterTool

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from evolvent.settings import Settings

__all__ = ["register_tools"]


@hookimpl
def register_tools(register: RegisterTool) -> None:
    """Register `python`, and the groups `files` and `http`, whose tools each declare what they touch."""
    register("python", _python, touches=())
    register("files", _files)
    register("http", _http)


def _python(functions: FunctionServer) -> BaseTool:
    from evolvent_plugins.tools.python import make_tool

    return make_tool(functions)


def _files(settings: Settings) -> Sequence[BaseTool]:
    from evolvent_plugins.tools.files import make_tools

    return make_tools(settings.workspace_path)


def _http(settings: Settings) -> Sequence[BaseTool]:
    from evolvent_plugins.tools.http import make_tools

    return make_tools(settings.http_allow, settings.tool_seconds)
