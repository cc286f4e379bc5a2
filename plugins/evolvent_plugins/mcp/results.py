"""Turns what a tool returned into one JSON value, bounded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from evolvent.types import JsonValue
from evolvent_plugins.mcp.errors import CallFailed

if TYPE_CHECKING:
    from mcp.types import CallToolResult

__all__ = ["RESULT_BYTES", "value_of"]

RESULT_BYTES = 1_000_000
ERROR_CHARS = 2_000


def value_of(result: CallToolResult) -> JsonValue:
    """Return a result as JSON.

    Structured content stands for itself; a single text is that text; anything else is a list of blocks with a
    `type`, images, sound and resources in base64. Structured content beside other blocks than texts (its text is
    the same again) becomes `{"structured": …, "content": […]}`.

    Raises:
        CallFailed: the tool says that it failed, or the result is too large or no JSON.
    """
    blocks = [_block(block) for block in result.content]
    texts = [block["text"] for block in blocks if block["type"] == "text"]
    if result.isError:
        said = "\n".join(map(str, texts)) or json.dumps(result.structuredContent)
        raise CallFailed(said[:ERROR_CHARS])
    value: Any = blocks
    if result.structuredContent is not None:
        others = [block for block in blocks if block["type"] != "text"]
        structured = result.structuredContent
        value = {"structured": structured, "content": others} if others else structured
    elif len(texts) == len(blocks) <= 1:
        value = texts[0] if texts else ""
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except (ValueError, RecursionError) as error:
        raise CallFailed(f"the result is not JSON: {error}") from error
    if size > RESULT_BYTES:
        raise CallFailed(f"the result has {size} bytes; at most {RESULT_BYTES} are taken")
    return value  # type: ignore[no-any-return]


def _block(block: Any) -> dict[str, Any]:
    """Return a block without the server's notes on it."""
    made: dict[str, Any] = block.model_dump(
        mode="json", by_alias=True, exclude_none=True, include=_KEPT[block.type]
    )
    if block.type == "resource":
        made["resource"].pop("_meta", None)
    return made


_KEPT = {
    "text": {"type", "text"},
    "image": {"type", "mimeType", "data"},
    "audio": {"type", "mimeType", "data"},
    "resource": {"type", "resource"},
    "resource_link": {"type", "uri", "name", "description", "mimeType"},
}
