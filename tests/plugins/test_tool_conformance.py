"""`check_tool` passes good tools and catches wrong ones."""

import time
from collections.abc import Callable
from typing import Any, Literal

import pytest
from langchain_core.tools import BaseTool, StructuredTool, ToolException, tool
from pydantic import BaseModel, Field

from evolvent.testing import check_tool
from evolvent.types import Touch

SCHEMA = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}


def made(function, **given):
    given = {"name": "theirs", "description": "Does it.", "metadata": {"examples": [{"number": 2}]}, **given}
    return StructuredTool.from_function(function, **given)


def double(number: int) -> int:
    return 2 * number


def strict(**arguments: Any) -> int:
    if not isinstance(arguments.get("number"), int):
        raise ToolException("number must be an integer")
    return 2


class Shape(BaseModel):
    kind: Literal["circle", "square"]
    sizes: list[float] = Field(max_length=3)
    deep: dict[str, int] = {}


def area(kind: str, sizes: list[float], deep: dict[str, int]) -> dict[str, Any]:
    return {"kind": kind, "area": sum(sizes)}


@tool
def greet(name: str, loud: bool = False) -> str:
    """Greet a person."""
    return name.upper() if loud else name


@pytest.mark.parametrize(
    "good",
    [
        made(double),
        made(strict, args_schema=SCHEMA),
        made(double, handle_validation_error=True),
        made(area, args_schema=Shape, metadata={"examples": [{"kind": "circle", "sizes": [1.0]}]}),
        greet,
        made(lambda: "now", metadata={"examples": [{}]}),
    ],
)
def test_a_good_tool_conforms_in_less_than_two_seconds(good):
    started = time.perf_counter()
    check_tool(good, ())
    assert time.perf_counter() - started < 2


def test_a_tool_that_touches_something_or_has_no_example_is_not_called():
    def never(number: int) -> int:
        raise AssertionError("called")

    check_tool(made(never), {Touch.NETWORK})
    check_tool(made(never), ["writes_files"])
    check_tool(made(never, metadata=None), ())


def boom(number: int) -> int:
    raise KeyError(number)


def crash(**arguments: Any) -> int:
    return len({}[arguments["number"]]) if arguments["number"] != 2 else 4


def lenient(**arguments: Any) -> int:
    return 4


class Arbitrary(BaseModel):
    number: Callable[[], int]


class Wide(BaseModel):
    number: Literal[tuple(f"choice number {n}" for n in range(3_000))]


@pytest.mark.parametrize(
    ("wrong", "touches", "words"),
    [
        (double, (), "must be a LangChain BaseTool"),
        (made(double, name="two words"), (), "'two words'; it must be 1 to 64 letters"),
        (made(double, description=" "), (), "must say in 1 to"),
        (made(double, description="x" * 5_000), (), "must say in 1 to"),
        (made(double), None, "declares nothing that it touches"),
        (made(double), ["everything"], "touches .'everything'.; it must declare of irreversible, network"),
        (made(double, args_schema={"type": "array"}), (), "the JSON schema of an object"),
        (made(double, args_schema={**SCHEMA, "required": ["n"]}), (), "requires .'n'., which"),
        (made(double, args_schema=Arbitrary), (), "must be a JSON schema"),
        (made(double, args_schema=Wide), (), "bytes; at most"),
        (made(double, metadata={"examples": {"number": 2}}), (), "a list of arguments by name"),
        (made(double, metadata={"examples": [{"n": 2}]}), (), "must work with its own examples"),
        (made(boom), (), "raised KeyError: 2; it must work with its own examples"),
        (made(lambda number: {number}, args_schema=SCHEMA), (), "must be plain JSON"),
        (made(crash, args_schema=SCHEMA), (), "raised KeyError: .*wrong arguments must be refused"),
        (made(lenient, args_schema=SCHEMA), (), "that do not fit its schema must be refused"),
    ],
)
def test_a_wrong_tool_is_caught_in_words(wrong, touches, words):
    with pytest.raises(AssertionError, match=words):
        check_tool(wrong, touches)


def test_a_tool_that_ends_the_process_is_caught():
    class Ends(BaseTool):
        name: str = "ends"
        description: str = "Ends."

        def _run(self, number: int) -> int:
            raise SystemExit(2)

    with pytest.raises(AssertionError, match="raised SystemExit"):
        check_tool(Ends(metadata={"examples": [{"number": 1}]}), ())
