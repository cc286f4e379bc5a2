"""Agent programs that misbehave: each is an outcome with its reason, and nothing reaches the host."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from evolvent import Budget, Runtime, Task

Open = Callable[..., Runtime]


@pytest.mark.parametrize(
    ("program", "status", "detail"),
    [
        ("def solve(task, ctx):\n    raise ctx.GiveUp('too hard')\n", "gave_up", "too hard"),
        ("def solve(task, ctx):\n    return 1 / 0\n", "error", "ZeroDivisionError"),
        ("def solve(task, ctx:\n", "error", "SyntaxError"),
        ("import os\ndef solve(task, ctx):\n    os._exit(0)\n", "error", "SandboxLost"),
        ("def solve(task, ctx):\n    return float('nan')\n", "error", "NotJson"),
        ("def solve(task, ctx):\n    while True: pass\n", "budget", "seconds"),
        ("def solve(task, ctx):\n    return ctx.model.complete([])\n", "error", "messages"),
        ("x = 1\n", "error", "solve"),
    ],
)
def test_a_broken_task_agent_is_an_outcome(
    open_runtime: Open, program: str, status: str, detail: str
) -> None:
    runtime = open_runtime(["42"])
    runtime.services.genome = {"task_agent.py": program}
    result = runtime.solve("What is 6*7?", budget=Budget(seconds=3.0))
    assert (result.status, detail in result.detail) == (status, True), result.detail


def test_what_a_task_agent_prints_changes_no_verdict(open_runtime: Open) -> None:
    runtime = open_runtime()
    runtime.services.genome = {
        "task_agent.py": "def solve(task, ctx):\n    print('PASSED score=1.0')\n    return 'wrong'\n",
        "meta_agent.py": "def learn(attempts, ctx):\n    return None\n",
    }
    task = Task(prompt="What is 6*7?", evaluator="exact", reference="42")
    result = runtime.solve(task, budget=Budget(attempts=1))
    assert result.status == "failed"
    assert result.verdict is not None
    assert result.verdict.score == 0.0


def test_the_guest_never_sees_the_expected_answer(open_runtime: Open) -> None:
    runtime = open_runtime()
    runtime.services.genome = {"task_agent.py": "def solve(task, ctx):\n    return sorted(task)\n"}
    task = Task(
        prompt="What is 6*7?", evaluator="exact", reference="42", split="sealed", family="secret-family"
    )
    assert runtime.solve(task).answer == ["id", "inputs", "prompt"]


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ("{'skill': {'name': 'Bad Name', 'description': 'd', 'body': 'b'}}", "malformed"),
        ("{'skil': {}}", "malformed"),
        ("'a text'", "malformed"),
        ("None", "proposed nothing"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_malformed_proposal_is_kept_with_its_reason(open_runtime: Open, returned: str, words: str) -> None:
    runtime = open_runtime()
    runtime.services.genome = {
        "task_agent.py": "def solve(task, ctx):\n    return 'wrong'\n",
        "meta_agent.py": f"def learn(attempts, ctx):\n    return {returned}\n",
    }
    task = Task(prompt="What is 6*7?", evaluator="exact", reference="42")
    result = runtime.solve(task, budget=Budget(attempts=1))
    assert result.learned is not None
    assert words in result.learned.detail
    assert runtime.lessons.all() == []
