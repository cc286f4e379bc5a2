import time

import pytest

from evolvent.errors import UsageError
from evolvent.testing.evaluator_conformance import check_evaluator
from evolvent.types import Task
from evolvent_plugins.evaluators import (
    Exact,
    HumanEval,
    Numeric,
    PythonTests,
    ReasoningGym,
    Regex,
    register_evaluators,
)
from evolvent_plugins.human_eval_tasks.problems import load_problems

DOUBLE = {"function": "double", "cases": [{"args": [n], "expected": 2 * n} for n in range(5)]}


def task(reference, prompt="A question"):
    return Task(prompt=prompt, reference=reference)


def test_all_are_registered_under_the_names_that_tasks_use():
    names = []
    register_evaluators(lambda name, evaluator: names.append(name))
    assert sorted(names) == ["exact", "human-eval", "numeric", "python-tests", "reasoning-gym", "regex"]


GYM_REFERENCE = {"dataset": "spell_backward", "seed": 0, "index": 1, "size": 64}
CONTRACTS = {
    "exact": (Exact(), task("ammonia"), " ammonia\n"),
    "numeric": (Numeric(), task({"value": 2.5, "rel_tol": 0.1}), "2.6"),
    "regex": (Regex(), task("[a-c]{3}"), "abc"),
    "python-tests": (PythonTests(), task(DOUBLE), "def double(n):\n    return n * 2\n"),
    "reasoning-gym": (
        ReasoningGym(),
        task(GYM_REFERENCE, "Spell this word backward (example: sun -> nus): ammonia"),
        "ainomma",
    ),
    "human-eval": (
        HumanEval(),
        task({"task_id": "HumanEval/23"}),
        "def strlen(string):\n    return len(string)\n",
    ),
}


@pytest.mark.parametrize("name", CONTRACTS)
def test_each_keeps_the_contract_of_evaluators(name, functions):
    check_evaluator(*CONTRACTS[name], functions)


@pytest.mark.parametrize(
    ("reference", "answer", "passes"),
    [
        ("42", 42, True),
        (42, "42", False),
        ("True", True, False),
        (True, True, True),
        (True, 1, False),
        (1, 1.0, False),
        ([1, "a"], [1, "a"], True),
        ([1, "a"], ["a", 1], False),
        ({"a": None}, {"a": None}, True),
        (None, None, True),
        (None, False, False),
        ("a b", "a  b", False),
    ],
)
def test_exact_compares_values_and_types(reference, answer, passes):
    assert Exact().evaluate(task(reference), answer, None).passed is passes


@pytest.mark.parametrize(
    ("reference", "answer", "passes"),
    [
        (42, "42", True),
        (42, " 42.0 ", True),
        (42, "42 km", False),
        (42, "about 42", False),
        (42, "4.2e1", True),
        (42, 42.0000001, False),
        (10**30, 10**30 + 1, False),
        (0.1, 0.1000000000001, True),
        (3.14, 3.14159, False),
        ({"value": 3.14, "abs_tol": 0.01}, 3.145, True),
        ({"value": 3.14, "rel_tol": 0.001}, 3.145, False),
        ({"value": 100, "rel_tol": 0.0, "abs_tol": 1}, 101, True),
        (1, True, False),
        (1, "\u0661", False),
        (0, "1e-999", False),
    ],
)
def test_numeric_takes_numbers_and_texts_that_are_one(reference, answer, passes):
    assert Numeric().evaluate(task(reference), answer, None).passed is passes


@pytest.mark.parametrize(
    "reference", ["42", None, True, {"value": 1, "tolerance": 2}, {"value": 1, "abs_tol": -1}]
)
def test_numeric_refuses_references_that_are_no_number(reference):
    with pytest.raises(UsageError, match="needs a number"):
        Numeric().evaluate(task(reference), 1, None)


def test_a_pattern_that_takes_for_ever_is_stopped_and_does_not_pass(functions):
    started = time.monotonic()
    verdict = Regex().evaluate(task("(a+)+b"), "a" * 40, functions)
    assert not verdict.passed
    assert verdict.evidence == {"note": "matching it took too long"}
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    "reference", ["(", "[z-a]", {"pattern": "a", "ignorecase": True}, 7, "a{99999999999}"]
)
def test_a_bad_pattern_is_the_tasks_fault(reference, functions):
    with pytest.raises(UsageError, match="'regex'"):
        Regex().evaluate(task(reference), "a", functions)


def test_a_pattern_must_match_the_whole_answer(functions):
    assert not Regex().evaluate(task("[0-9]+"), "12 apples", functions).passed
    assert Regex().evaluate(task({"pattern": "yes", "ignore_case": True}), "YES", functions).passed


@pytest.mark.parametrize(
    ("source", "feedback"),
    [
        ("def double(n): return n * 2.0", "returns 0.0, which is wrong"),
        ("def double(n): return str(n * 2)", "which is wrong"),
        ("def double(n): return n == 0 or n * 2", "which is wrong"),
        ("def double(n): raise ValueError(n)", "raises ValueError"),
        ("def double(n)", "SyntaxError"),
        ("import os\ndef double(n): os._exit(0)", "without answering"),
        ("def double(n): return float('nan')", "not plain JSON"),
        ("class E(int):\n    def __eq__(s, o): return True\ndef double(n): return E(9)", "not plain JSON"),
        ("print('5 passed')\nraise SystemExit(0)", "SystemExit"),
        ("def other(n): return 2 * n", "does not define"),
    ],
)
def test_source_that_cheats_or_breaks_fails_and_is_told_why(source, feedback, functions):
    verdict = PythonTests().evaluate(task(DOUBLE), source, functions)
    assert not verdict.passed
    assert feedback in verdict.feedback
    assert verdict.evidence["failures"]


def test_the_score_is_the_share_of_right_cases_and_evidence_shows_the_wrong_ones(functions):
    verdict = PythonTests().evaluate(
        task(DOUBLE), "```python\ndef double(n):\n    return n + 2\n```", functions
    )
    assert verdict.score == pytest.approx(1 / 5)
    failures = verdict.evidence["failures"]
    assert [failure["call"] for failure in failures] == ["double(0)", "double(1)", "double(3)", "double(4)"]
    assert [failure["expected"] for failure in failures] == [0, 2, 6, 8]


def test_source_that_always_hangs_costs_two_time_outs_not_one_for_each_case(functions):
    cases = [{"args": [n], "expected": n} for n in range(30)]
    started = time.monotonic()
    verdict = PythonTests().evaluate(
        task({"function": "f", "cases": cases, "seconds": 1}), "def f(n):\n    while True: pass", functions
    )
    assert verdict.score == 0
    assert "30 of 30 cases fail" in verdict.feedback
    assert time.monotonic() - started < 15


@pytest.mark.parametrize(
    "reference",
    [None, {}, {"function": "f", "cases": []}, {"function": "f(", "cases": [{"args": [], "expected": 1}]}],
)
def test_python_tests_says_what_its_reference_must_be(reference, functions):
    with pytest.raises(UsageError, match='"cases"'):
        PythonTests().evaluate(task(reference), "def f(): pass", functions)


@pytest.mark.slow
def test_every_solution_of_human_eval_passes_and_a_wrong_one_never_does(functions):
    evaluator = HumanEval()
    problems = load_problems()
    assert len(problems) == 164
    for problem in problems.values():
        asked = task({"task_id": problem.task_id})
        verdict = evaluator.evaluate(asked, problem.prompt + problem.solution, functions)
        assert verdict.passed, (problem.task_id, verdict.feedback)
        wrong = evaluator.evaluate(asked, f"def {problem.function}(*args):\n    return 'no'\n", functions)
        assert not wrong.passed, problem.task_id


def test_another_root_of_the_polynomial_is_right_too(functions):
    source = (
        "def find_zero(xs):\n    import math\n    f = lambda x: sum(c * x**i for i, c in enumerate(xs))\n"
        "    lo, hi = -1.0, 1.0\n    while f(lo) * f(hi) > 0:\n        lo, hi = lo * 2, hi * 2\n"
        "    for _ in range(200):\n        mid = (lo + hi) / 2\n"
        "        lo, hi = (lo, mid) if f(lo) * f(mid) <= 0 else (mid, hi)\n    return lo\n"
    )
    assert HumanEval().evaluate(task({"task_id": "HumanEval/32"}), source, functions).passed
