"""What every tool must do; plugin authors call `check_tool` in their tests."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from langchain_core.tools import BaseTool, ToolException

from evolvent.errors import EvolventError
from evolvent.testing.contract import asked, require, require_json
from evolvent.types import Touch

__all__ = ["check_tool"]

NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
DESCRIPTION = 4_000
SCHEMA_BYTES = 32_000
"""A schema goes into prompts: a larger one would be most of a small model's context."""
REFUSALS = (ValueError, TypeError, ToolException, EvolventError)
"""Errors that say what is wrong with arguments; pydantic's ValidationError is a ValueError."""


def check_tool(tool: BaseTool, touches: Collection[Touch | str] | None) -> None:
    """Check a tool against its contract.

    It has a name, a description and a JSON schema of its arguments, of bounded size; it declares what it touches,
    `()` for nothing. A tool that touches nothing and has `metadata["examples"]`, a list of arguments, is called
    with them: the results are JSON, and arguments that do not fit its schema are refused with an error.

    Args:
        tool: the tool; never called when it touches anything or has no examples.
        touches: what it declares, by itself or when it was registered; None: it declares nothing.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    require(
        isinstance(tool, BaseTool),
        f"{tool!r:.80} is no tool; it must be a LangChain BaseTool",
    )
    require(
        isinstance(tool.name, str) and NAME.fullmatch(tool.name),
        f"the tool has the name {tool.name!r:.80}; it must be 1 to 64 letters, digits and _ . -",
    )
    where = f"the tool {tool.name!r}"
    require(
        isinstance(tool.description, str) and 0 < len(tool.description.strip()) <= DESCRIPTION,
        f"{where} has the description {tool.description!r:.40}; "
        f"it must say in 1 to {DESCRIPTION} characters what it does",
    )
    schema = _schema(where, tool)
    _check_touches(where, tool, touches)
    examples = (tool.metadata or {}).get("examples") or ()
    require(
        isinstance(examples, list | tuple) and all(isinstance(e, Mapping) for e in examples),
        f'{where} has the examples {examples!r:.80}; metadata["examples"] must be a list of arguments by name',
    )
    if touches or not examples:
        return
    for example in examples:
        result = asked(
            f"{where}, called with its example {dict(example)!r:.80},",
            "it must work with its own examples",
            lambda example=example: tool.invoke(dict(example)),  # type: ignore[misc]
        )
        require_json(result, f"the result of {where} for {dict(example)!r:.80}")
    for wrong in _wrong(schema, dict(examples[0])):
        _check_refused(where, tool, wrong)


def _schema(where: str, tool: BaseTool) -> dict[str, Any]:
    def read() -> dict[str, Any]:
        given: Any = tool.tool_call_schema
        made = given if isinstance(given, Mapping) else given.model_json_schema()
        json.dumps(made)
        return dict(made)

    schema = asked(f"reading args_schema of {where}", "it must be a JSON schema", read)
    size = len(json.dumps(schema).encode())
    require(
        size <= SCHEMA_BYTES,
        f"{where} has an args_schema of {size} bytes; at most {SCHEMA_BYTES} fit a prompt",
    )
    require(
        schema.get("type") == "object" and isinstance(schema.get("properties", {}), Mapping),
        f"{where} has an args_schema of type {schema.get('type')!r:.40}; it must be the JSON schema of an object",
    )
    unknown = set(schema.get("required", ())) - set(schema.get("properties", {}))
    require(
        not unknown,
        f"{where} requires {sorted(unknown)}, which its args_schema does not describe; it must",
    )
    return schema


def _check_touches(where: str, tool: BaseTool, touches: Collection[Touch | str] | None) -> None:
    known = {touch.value for touch in Touch}
    require(
        touches is not None,
        f"{where} declares nothing that it touches, so it is always denied; "
        "declare it when you register it, () for nothing",
    )
    unknown = {str(touch) for touch in touches or ()} - known
    require(
        not unknown,
        f"{where} touches {sorted(unknown)}; it must declare of {', '.join(sorted(known))}",
    )


def _wrong(schema: Mapping[str, Any], example: dict[str, Any]) -> list[dict[str, Any]]:
    """Return arguments that do not fit: each required one left out, each plain one of another kind."""
    wrong = [
        {key: value for key, value in example.items() if key != name} for name in schema.get("required", ())
    ]
    misfits = {"integer": "x", "number": "x", "boolean": "x", "string": {"x": []}, "array": 7, "object": 7}
    for name, described in schema.get("properties", {}).items():
        kind = described.get("type") if isinstance(described, Mapping) else None
        if isinstance(kind, str) and kind in misfits:
            wrong.append({**example, name: misfits[kind]})
    return wrong


def _check_refused(where: str, tool: BaseTool, wrong: dict[str, Any]) -> None:
    try:
        result = tool.invoke(wrong)
    except REFUSALS:
        return
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise AssertionError(
            f"{where}, called with {wrong!r:.80}, raised {type(error).__name__}: {error!s:.100}; "
            "wrong arguments must be refused with a ValueError, a TypeError or a ToolException"
        ) from error
    require(
        tool.handle_validation_error or tool.handle_tool_error,
        f"{where}, called with {wrong!r:.80}, returned {result!r:.80}; "
        "arguments that do not fit its schema must be refused",
    )
