"""What tools must do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from evolvent.plugins import OfferedTool

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

__all__ = ["check_tool"]

MAX_DESCRIPTION = 4000
MAX_SCHEMA = 50_000


def check_tool(offered: OfferedTool) -> None:
    """Check a tool against its contract.

    It says what it does and what it touches; its arguments have a JSON schema of an object, with bounded size; a tool
    that touches nothing is called with the arguments in its `metadata["examples"]`, and answers JSON.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    tool = offered.tool
    assert tool.description.strip(), "it has no description: a model would not know what it is for"
    assert len(tool.description) <= MAX_DESCRIPTION, f"its description has {len(tool.description)} characters"
    assert offered.touches is not None, (
        "it does not declare what it touches, so it is denied: register(name, tool, touches=[...])"
    )
    schema = tool.args_schema if isinstance(tool.args_schema, dict) else tool.get_input_jsonschema()
    text = json.dumps(schema)
    assert len(text) <= MAX_SCHEMA, f"its schema has {len(text)} characters"
    assert schema.get("type") == "object", f"its schema is of type {schema.get('type')!r}, not of an object"
    for name, about in schema.get("properties", {}).items():
        assert isinstance(about, dict), f"the schema of its argument {name!r} is {about!r}"
    if not offered.touches:
        _check_examples(tool, (tool.metadata or {}).get("examples", ()))


def _check_examples(tool: BaseTool, examples: Any) -> None:
    for arguments in examples:
        value = tool.invoke(dict(arguments))
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise AssertionError(f"with {arguments!r} it answers {value!r:.80}, which is not JSON") from error
