"""LangChain tools that call a server's tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from langchain_core.tools import BaseTool, ToolException
from pydantic import PrivateAttr

from evolvent.types import JsonValue
from evolvent_plugins.mcp.errors import CallFailed
from evolvent_plugins.mcp.offers import Offer
from evolvent_plugins.mcp.servers import Server

__all__ = ["McpTool", "make_tools"]

NO_SCHEMA = {"type": "object", "properties": {}}


class McpTool(BaseTool):
    """One tool of a server.

    Not `langchain_mcp_adapters`: it copies the server's annotations into `metadata`, by which a server could
    declare for itself what its tools touch.
    """

    foreign: ClassVar[bool] = True
    """Its words are somebody else's, whatever it is declared to touch; nothing is learned from them unchecked."""

    _call: Callable[[dict[str, JsonValue]], JsonValue] = PrivateAttr()

    def __init__(self, offer: Offer, call: Callable[[dict[str, JsonValue]], JsonValue]) -> None:
        touches = None if offer.touches is None else {"touches": [touch.value for touch in offer.touches]}
        super().__init__(
            name=offer.name,
            description=f"cannot be called: {offer.refused}" if offer.refused else offer.description,
            args_schema=NO_SCHEMA if offer.refused or offer.schema is None else offer.schema,
            metadata=touches,
        )
        self._call = call

    def _run(self, /, **arguments: Any) -> JsonValue:  # positional self: an argument may be called so
        try:
            return self._call(arguments)
        except CallFailed as error:
            raise ToolException(str(error)) from error


def make_tools(server: Server) -> list[BaseTool]:
    """Connect to a server and return its tools; one that is refused says why when it is called.

    Raises:
        MissingPrerequisite: its command is not installed.
        ServerFailed: it cannot be reached or does not keep to the protocol.
    """
    return [_make(server, offer) for offer in server.offers() if not offer.name.startswith("?")]


def _make(server: Server, offer: Offer) -> BaseTool:
    def call(arguments: dict[str, JsonValue]) -> JsonValue:
        if offer.refused:
            raise CallFailed(f"mcp.{server.name}.{offer.name} cannot be called: {offer.refused}")
        return server.call(offer, arguments)

    return McpTool(offer, call)
