"""Answers that want to be taken for right: judged by the real evaluators, none may pass."""

import pytest

from evolvent.plugins import PluginHost
from evolvent.testing.programs import attacks
from evolvent.types import Split, Task

FORGERIES = attacks("verdicts")
EXPECTED = "4f0c2a-only-the-host-knows-this"


def task(function):
    return Task(
        id="forgery",
        split=Split.GATE,
        family="forgeries",
        prompt="Return the word.",
        evaluator="python-tests",
        reference={"function": function, "cases": [{"args": [{"mark": "4f0c2a"}], "expected": EXPECTED}] * 3},
    )


@pytest.mark.parametrize("forger", ["call_function", "forkserver"])
@pytest.mark.parametrize("attack", FORGERIES, ids=lambda attack: attack.name)
def test_no_forged_answer_passes_its_tests(bubblewrap, attack, forger):
    functions = bubblewrap if forger == "call_function" else bubblewrap.forkserver()
    verdict = (
        PluginHost().evaluators.get("python-tests").evaluate(task(attack.name), attack.source, functions)
    )
    assert not verdict.passed
    assert verdict.score == 0.0


def test_the_same_task_passes_a_program_that_knows_the_word(bubblewrap):
    answer = f"def solve(bait): return {EXPECTED!r}"
    verdict = PluginHost().evaluators.get("python-tests").evaluate(task("solve"), answer, bubblewrap)
    assert verdict.passed


def test_an_answer_that_holds_only_while_it_is_watched_fails_where_it_does_not(bubblewrap):
    answer = (
        "import time\n"
        "calls = []\n"
        "def solve(bait):\n"
        "    calls.append(1)\n"
        f"    return {EXPECTED!r} if len(calls) == 1 and time.time() < {{deadline}} else None\n"
    )
    evaluator = PluginHost().evaluators.get("python-tests")
    counting = evaluator.evaluate(task("solve"), answer.replace("{deadline}", "1e12"), bubblewrap)
    assert counting.passed, "each call is the first one: a counter finds nothing to count"
    late = evaluator.evaluate(task("solve"), answer.replace("{deadline}", "1e9"), bubblewrap)
    assert late.score == 0.0
