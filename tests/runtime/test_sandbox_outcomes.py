"""How what ran in the sandbox ended is counted, and the sandbox stays what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from evolvent.errors import GuestError, SandboxTimeout
from evolvent.protocols import FunctionServer, Sandbox, VariableServer
from evolvent.types import Limits, Variation

if TYPE_CHECKING:
    from tests.conftest import Open

SOURCE = """
def f(what):
    if what == "raise":
        raise ValueError("no")
    if what == "loop":
        while True:
            pass
    if what == "set":
        return {1}
    return what
"""


def test_calls_of_functions_are_counted_by_their_ends(open_runtime: Open) -> None:
    runtime = open_runtime()
    before = runtime.sandbox_outcomes.counts()
    for server in (runtime.sandbox, runtime.sandbox.forkserver()):
        server.call_function(SOURCE, "f", [[1], ["raise"], ["set"]])
        server.call_function(SOURCE, "f", [["loop"]], Limits(wall_seconds=1))
    after = runtime.sandbox_outcomes.counts()
    assert {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)} == {
        ("function", "ok", ""): 2,
        ("function", "exception", ""): 2,
        ("function", "not_json", ""): 2,
        ("function", "limit", "wall_seconds"): 2,
    }


def test_commands_are_counted_by_their_ends(open_runtime: Open) -> None:
    runtime = open_runtime()
    runtime.sandbox.run(["python", "-c", "pass"])
    runtime.sandbox.run(["python", "-c", "raise SystemExit(3)"])
    runtime.sandbox.run(["python", "-c", "while True: pass"], limits=Limits(wall_seconds=1))
    counts = {
        key[1:]: count for key, count in runtime.sandbox_outcomes.counts().items() if key[0] == "command"
    }
    assert counts == {("ok", ""): 1, ("failed", ""): 1, ("limit", "wall_seconds"): 1}


def test_sessions_are_counted_by_their_ends(open_runtime: Open) -> None:
    runtime = open_runtime()
    files = {
        "m.py": "def go(what, ctx):\n    if what == 'loop':\n        while True: pass\n    return 1 // what\n"
    }
    for argument, error in ((1, None), (0, GuestError), ("loop", SandboxTimeout)):
        session = runtime.sandbox.session(Limits(wall_seconds=2))
        session.call("load", {"files": files})
        invocation = {"module": "m", "function": "go", "args": [argument], "context": {}}
        if error is None:
            assert session.call("invoke", invocation) == 1
        else:
            with pytest.raises(error):
                session.call("invoke", invocation)
        session.close()
    counts = {
        key[1:]: count for key, count in runtime.sandbox_outcomes.counts().items() if key[0] == "session"
    }
    assert counts == {("ok", ""): 4, ("exception", ""): 1, ("limit", "wall_seconds"): 1}


def test_it_is_still_the_sandbox_that_was_chosen(open_runtime: Open) -> None:
    sandbox = open_runtime().sandbox
    assert (sandbox.name, sandbox.isolates) == ("bubblewrap", True)
    assert isinstance(sandbox, Sandbox)
    assert isinstance(sandbox, VariableServer)
    assert isinstance(sandbox.forkserver(), FunctionServer)
    varied = sandbox.varied(Variation(hash_seed=5))
    assert varied.call_function(SOURCE, "f", [[7]])[0].value == 7
    assert "interpreter" in sandbox.describe()
