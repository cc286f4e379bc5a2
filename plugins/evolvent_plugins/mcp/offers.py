"""What a server offers, read with suspicion: bounded, cleaned, and compared with what it offered before."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from evolvent.types import JsonValue, Touch, digest
from evolvent_plugins.mcp.config import ServerConfig
from evolvent_plugins.mcp.errors import ServerFailed
from evolvent_plugins.mcp.schemas import plain_schema, readable

__all__ = ["Offer", "read_offers"]

TOOLS = 100
DESCRIPTION = 2_000
SCHEMA_BYTES = 20_000
HINTS = {
    "readOnlyHint": "reads only",
    "destructiveHint": "destroys",
    "idempotentHint": "repeatable",
    "openWorldHint": "open world",
}
_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")


@dataclass(frozen=True)
class Offer:
    """One tool of a server."""

    name: str
    digest: str = ""
    """Of all that the server says of it: another digest is another tool."""
    description: str = ""
    schema: dict[str, Any] | None = None
    hints: tuple[str, ...] = ()
    """What the server claims; for people, never trusted."""
    touches: tuple[Touch, ...] | None = None
    """What the file declares; None: nothing."""
    pin: str = ""
    """`first seen`, `pinned` or `changed`."""
    refused: str = ""
    """Why it cannot be called; then nothing that the server said of it reaches a model."""

    def refuse(self, why: str) -> Offer:
        """Return this tool as one that cannot be called."""
        return replace(self, refused=why)


def read_offers(server: str, listed: Iterable[dict[str, Any]], config: ServerConfig) -> list[Offer]:
    """Return the tools that a server lists and the file wants, by name.

    Raises:
        ServerFailed: it offers too many.
    """
    offers: dict[str, Offer] = {}
    nameless = 0
    for tool in listed:
        name = tool.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            nameless += 1
            shown = readable(str(name)[:60], lines=False)
            offer = Offer(f"?{nameless}").refuse(
                f"its name {shown!r} has other characters than a-z, A-Z, 0-9 and _ . : / -"
            )
        elif not config.offers(name):
            continue
        elif name in offers:
            offer = offers[name].refuse("the server has two tools of this name")
        else:
            offer = _offer(name, tool, config)
        offers[offer.name] = offer
        if len(offers) > TOOLS:
            raise ServerFailed(
                f"the MCP server {server!r} offers more than {TOOLS} tools; "
                f'name those that you want with "include" in the file of servers'
            )
    return [offers[name] for name in sorted(offers)]


def _offer(name: str, tool: dict[str, Any], config: ServerConfig) -> Offer:
    said = {key: tool.get(key) for key in ("name", "title", "description", "inputSchema", "annotations")}
    offer = Offer(name, touches=config.touches_of(name))
    try:
        schema_text = json.dumps(said["inputSchema"], allow_nan=False)
        offer = replace(offer, digest=digest(said, 64), hints=_hints(said["annotations"]))
    except ValueError:
        return offer.refuse("what the server says of it holds NaN or an infinity")
    description = said["description"] or ""
    if not isinstance(description, str):
        return offer.refuse("its description is no text")
    if len(description) > DESCRIPTION:
        return offer.refuse(
            f"its description has {len(description)} characters; at most {DESCRIPTION} are read"
        )
    if len(schema_text) > SCHEMA_BYTES:
        return offer.refuse(f"its schema has {len(schema_text)} bytes; at most {SCHEMA_BYTES} are read")
    if not isinstance(said["inputSchema"], dict):
        return offer.refuse("it has no schema of its arguments")
    try:
        schema = plain_schema(said["inputSchema"])
    except (ValueError, RecursionError) as error:
        return offer.refuse(str(error))
    return replace(offer, description=readable(description), schema=schema)


def _hints(annotations: JsonValue | Any) -> tuple[str, ...]:
    given = annotations if isinstance(annotations, dict) else {}
    return tuple(
        word if given[key] else f"not: {word}"
        for key, word in HINTS.items()
        if isinstance(given.get(key), bool)
    )
