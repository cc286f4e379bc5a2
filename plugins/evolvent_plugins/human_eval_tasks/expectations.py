"""The cases of a HumanEval problem: read off its check, or recorded with the benchmark's own solution."""

from __future__ import annotations

import functools
import threading
from functools import partial

from evolvent.errors import RunError
from evolvent.protocols import FunctionServer
from evolvent.types import JsonValue, Limits, canonical_json
from evolvent_plugins.evaluators.cases import Case
from evolvent_plugins.evaluators.compare import same_value
from evolvent_plugins.human_eval_tasks.problems import Problem
from evolvent_plugins.human_eval_tasks.translate import Expectation, NotTranslatable, translate

__all__ = ["CALLER", "CALL_FUNCTION", "cases_of", "expectations_of", "translated"]

# Runs the check beside the benchmark's own solution, never beside a candidate, and notes each call and its
# value.
RECORDER = """
def evolvent_record():
    import copy, random
    random.seed(0)
    calls = []
    def candidate(*args):
        kept = copy.deepcopy(args)
        value = {function}(*args)
        calls.append([list(kept), value])
        return value
    check(candidate)
    return calls
"""
RECORD_LIMITS = Limits(wall_seconds=30.0, cpu_seconds=30)
RECORDED_TOLERANCE = 1e-6
MAX_CASES = 100
"""Distinct cases kept of a check that loops over random arguments."""

CALL_FUNCTION = "evolvent_call"
CALLER = """

def evolvent_call(text):
    import ast
    return {function}(*ast.literal_eval(text))
"""
"""Appended to a candidate. Some arguments are no JSON (tuples, numbers as keys), so all go in as text."""

_recorded: dict[str, list[Expectation]] = {}
_recording = threading.Lock()


def cases_of(problem: Problem, functions: FunctionServer) -> list[Case]:
    """Return the problem's cases; they call `CALL_FUNCTION` of a source that ends in `CALLER`.

    Raises:
        RunError: the benchmark's own solution does not pass its check in this sandbox.
        MissingPrerequisite, SandboxLost: from the function server.
    """
    return [_case(problem, expectation) for expectation in expectations_of(problem, functions)]


def _case(problem: Problem, expectation: Expectation) -> Case:
    text = repr(expectation.args)
    shown = f"{problem.function}({text[1:-1]})"
    if problem.function == "find_zero":
        # Any root is right: the check puts the value into the polynomial, and so do we.
        return Case([text], partial(_is_root, expectation.args[0]), shown=shown)
    accepts = partial(same_value, expectation.expected, abs_tol=expectation.tolerance or 0.0)
    return Case([text], accepts, expectation.expected, shown)


def expectations_of(problem: Problem, functions: FunctionServer) -> list[Expectation]:
    """Return what the problem's check asserts; raises as `cases_of`."""
    found = translated(problem)
    if found is not None:
        return found
    with _recording:
        if problem.task_id not in _recorded:
            _recorded[problem.task_id] = _record(problem, functions)
        return _recorded[problem.task_id]


@functools.cache
def translated(problem: Problem) -> list[Expectation] | None:
    """Return the expectations that the check's syntax gives; None where it does more than compare."""
    try:
        return translate(problem.check, problem.function)
    except NotTranslatable:
        return None


def _record(problem: Problem, functions: FunctionServer) -> list[Expectation]:
    source = "\n".join(
        (problem.prompt + problem.solution, problem.check, RECORDER.format(function=problem.function))
    )
    (result,) = functions.call_function(source, "evolvent_record", [[]], RECORD_LIMITS)
    if not result.ok or not isinstance(result.value, list):
        raise RunError(
            f"the own solution of {problem.task_id} could not be recorded in the sandbox: "
            f"{result.outcome} {result.error}"
        )
    unlike: dict[str, Expectation] = {}
    for pair in result.value:
        assert isinstance(pair, list)
        assert isinstance(pair[0], list)
        tolerance = RECORDED_TOLERANCE if isinstance(pair[1], float) else None
        unlike.setdefault(canonical_json(pair[0]), Expectation(pair[0], pair[1], tolerance))
    return list(unlike.values())[:MAX_CASES]


def _is_root(coefficients: list[JsonValue], value: JsonValue) -> bool:
    """Whether |Σ cᵢ·xⁱ| < 1e-4, the bound of the benchmark's check."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return abs(sum(float(str(c)) * value**power for power, c in enumerate(coefficients))) < 1e-4
    except OverflowError:
        return False
