"""What is rejected before it is measured, and what is held against nobody."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.evolution.world import META, SOLVE, Scripted, Step, World, context_of, program, run

from evolvent import Runtime
from evolvent.errors import SandboxLost
from evolvent.types import EvolveOptions, Modification

Open = Callable[..., Runtime]
Options = Callable[..., EvolveOptions]


BAD: dict[str, tuple[dict[str, str | None], str]] = {
    "does not compile": ({"task_agent.py": "def solve(:"}, "does not compile"),
    "loops when imported": (
        {"task_agent.py": "while True: pass\n" + SOLVE.format("return 1")},
        "wall_seconds|cpu_seconds",
    ),
    "loops when it solves": ({"task_agent.py": SOLVE.format("while True: pass")}, "wall_seconds|cpu_seconds"),
    "floods": ({"task_agent.py": SOLVE.format("return 'x' * 10**9")}, "large|bytes|memory|Memory"),
    "edits what is protected": ({"evaluator.py": "x = 1\n"}, "outside of what may be changed"),
    "adds a dependency": ({"task_agent.py": "import numpy\n" + SOLVE.format("return 1")}, "imports 'numpy'"),
    "adds a file of dependencies": ({"requirements.txt": "numpy\n"}, "outside of what may be changed"),
    "deletes its meta agent": ({"meta_agent.py": None}, "'meta_agent.py' is missing"),
    "is 50 MB": ({"prompts/big.md": "x" * 50_000_000}, "characters; at most"),
    "ends the sandbox": ({"task_agent.py": "import os\n" + SOLVE.format("os._exit(0)")}, "sandbox|os"),
    "writes rubbish on the pipe": (
        {"task_agent.py": "import os\n" + SOLVE.format("os.write(3, b'xxxxxxxx')")},
        "sandbox|protocol|os",
    ),
    "a meta agent that proposes nothing": (
        {"meta_agent.py": META.replace("return {", "return None and {")},
        "improve\\(\\) proposed nothing",
    ),
    "a meta agent that raises": (
        {"meta_agent.py": META.replace("    reply =", "    raise ValueError('no')\n    reply =")},
        "improve\\(\\) failed on a canned history: ValueError: no",
    ),
    "a selection that chooses nobody": (
        {"select_parent.py": "def select(archive, rng):\n    return 'nobody'\n"},
        "select\\(\\) chose 'nobody'",
    ),
    "a selection that chooses a list": (
        {"select_parent.py": "def select(archive, rng):\n    return [archive[0]['id']]\n"},
        "select\\(\\) chose \\['a",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_program_is_a_recorded_rejection(name: str, open_world: Open, options: Options) -> None:
    change, why = BAD[name]
    runtime = open_world(world=World(bad=Scripted(change)))
    report, heard = run(runtime, options(operators=("bad",), generations=1, width=1))
    (candidate,) = heard
    assert candidate.status == "rejected"
    assert candidate.stage == "check"
    assert re.search(why, candidate.reason), candidate.reason
    assert report.rejected == {"check": 1}
    assert report.variants == 1
    (row,) = runtime.evolution.tables.candidates()
    assert (row.status, row.stage, row.reason) == (candidate.status, candidate.stage, candidate.reason)
    assert len(row.change) <= 20_000


def test_a_sandbox_that_cannot_start_is_held_against_nobody(
    open_world: Open, options: Options, monkeypatch: Any
) -> None:
    class Sandbox:
        def session(self, limits: Any) -> Any:
            raise SandboxLost("no room")

    class Breaking:
        def propose(self, context: Any) -> Modification:
            monkeypatch.setattr(runtime.services, "sandbox", Sandbox())
            return Step().propose(context)

    runtime = open_world(world=World(breaking=Breaking()))
    report, (candidate,) = run(runtime, options(operators=("breaking",), generations=1, width=1))
    assert (candidate.status, candidate.reason) == ("failed", "the sandbox was lost: no room")
    assert report.failed == 1


def test_a_program_that_lies_about_its_score_gains_nothing(open_world: Open, options: Options) -> None:
    lie = SOLVE.format("return {'score': 1.0, 'passed': True, 'verdict': {'score': 1.0}}")
    change = {"task_agent.py": "# lies\n" + lie}
    runtime = open_world(world=World(bad=Scripted(change)))
    _, (candidate,) = run(runtime, options(operators=("bad",), generations=1, width=1))
    assert candidate.status == "measured"
    found = [*runtime.evolution.tables.evaluations(context_of(runtime), variant=candidate.variant)]
    assert found
    assert {e.score for e in found} == {0.0}


def test_the_same_program_is_not_measured_twice(open_world: Open, options: Options) -> None:
    same = {"task_agent.py": program(7)["task_agent.py"]}
    runtime = open_world(
        world=World(same=Scripted(same, same, {"task_agent.py": same["task_agent.py"] + "\n\n"}))
    )
    _, heard = run(runtime, options(operators=("same",), generations=3, width=1, policy="random"))
    assert [c.status for c in heard][1:].count("rejected") >= 1
    assert any("tried before" in c.reason or "changes nothing" in c.reason for c in heard)
