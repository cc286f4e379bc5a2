"""The tools as plugins offer them and guests call them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from evolvent import Settings
from evolvent.plugins import PluginHost
from evolvent.protocols import FunctionServer
from evolvent.types import CallResult
from evolvent_plugins import tools
from evolvent_plugins.tools.python import make_tool


class Recorded:
    """A function server that keeps what it is asked."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def call_function(self, *call: Any) -> list[CallResult]:
        self.calls.append(call)
        return [CallResult(outcome="value", value=1, seconds=0.5)]


def test_the_plugin_offers_all_tools_with_what_they_touch(functions: FunctionServer) -> None:
    host = PluginHost([])
    host.add(tools, "tools")
    offered = [
        tool
        for name in host.tools.names()
        for tool in host.tools.get(name).build(name, settings=Settings(), functions=functions)
    ]
    assert {tool.name: sorted(tool.touches or ()) for tool in offered if tool.touches is not None} == {
        "python": [],
        "files.read": ["reads_files"],
        "files.list": ["reads_files"],
        "files.search": ["reads_files"],
        "files.write": ["writes_files"],
        "files.edit": ["writes_files"],
        "files.delete": ["irreversible", "writes_files"],
        "http.get": ["network"],
        "http.post": ["irreversible", "network"],
    }
    for tool in offered:
        assert tool.tool.description
        schema = tool.tool.args_schema.model_json_schema()  # type: ignore[union-attr]
        assert schema["additionalProperties"] is False
        assert all("description" in field for field in schema["properties"].values())


def test_python_runs_in_the_sandbox(functions: FunctionServer) -> None:
    python = make_tool(functions)
    source = "def main(a, b=2):\n    print('hi')\n    return [a, b]\ndef broken():\n    return {1}\n"
    assert python.invoke({"source": source, "args": [{"x": None}]}) == {
        "outcome": "value",
        "value": [{"x": None}, 2],
        "error": "",
        "limit": None,
        "line": None,
        "stdout": "hi\n",
    }
    failed = python.invoke({"source": source})
    assert (failed["outcome"], failed["value"]) == ("exception", None)
    assert "TypeError" in failed["error"]
    assert python.invoke({"source": source, "function": "broken"})["outcome"] == "not_json"
    endless = python.invoke({"source": "def main():\n    while True: pass\n", "wall_seconds": 0.5})
    assert (endless["outcome"], endless["limit"]) == ("limit", "wall_seconds")


def test_python_bounds_what_it_takes() -> None:
    recorded = Recorded()
    python = make_tool(recorded)  # type: ignore[arg-type]
    for wrong in (
        {},
        {"source": "x" * 200_001},
        {"source": "", "function": "os.system"},
        {"source": "", "function": "1a"},
        {"source": "", "wall_seconds": 61},
        {"source": "", "wall_seconds": 0},
        {"source": "", "args": [1] * 101},
        {"source": "", "shell": True},
    ):
        with pytest.raises(ValidationError):
            python.invoke(wrong)
    assert recorded.calls == []
    python.invoke({"source": "s", "args": [[1, "a"]], "wall_seconds": 2.4})
    ((source, function, calls, limits),) = recorded.calls
    assert (source, function, calls) == ("s", "main", [([1, "a"],)])
    assert (limits.wall_seconds, limits.cpu_seconds) == (2.4, 2)


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("evolvent_plugins.tools", ("langchain_core", "httpx", "httpcore", "evolvent_plugins.tools.files")),
        ("evolvent_plugins.metrics", ("prometheus_client", "sqlalchemy", "typer", "evolvent.broker")),
    ],
)
def test_importing_a_plugin_is_light(module: str, heavy: tuple[str, ...]) -> None:
    code = f"import {module}, sys; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
