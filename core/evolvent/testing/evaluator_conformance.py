"""What every evaluator must do; plugin authors call `check_evaluator` in their tests."""

from __future__ import annotations

from evolvent.errors import UsageError
from evolvent.protocols import Evaluator, FunctionServer
from evolvent.types import JsonValue, Task, Verdict

__all__ = ["HOSTILE_ANSWERS", "check_evaluator"]

HOSTILE_ANSWERS: tuple[JsonValue, ...] = (
    None,
    True,
    False,
    0,
    -1,
    10**400,
    1e308,
    "",
    " ",
    "\x00",
    "é🙂",
    "9" * 5_000,
    "1e999999999",
    "9**9**9**9",
    "__import__('os').abort()",
    "().__class__.__base__.__subclasses__()",
    "[" * 5_000,
    "(" * 3_000 + ")" * 3_000,
    "{" * 200,
    "nan",
    "inf",
    "a" * 200_000,
    [],
    {},
    [None],
    {"answer": 1},
    [[[[]]]] * 100,
)
"""Answers that a guest may send to break a judge."""


def check_evaluator(evaluator: Evaluator, task: Task, right: JsonValue, functions: FunctionServer) -> None:
    """Check an evaluator against its contract.

    The right answer passes with score 1; every other one, however odd, gets a verdict below it instead of an
    exception; the same answer gets the same verdict; feedback does not hold the expected answer; and a
    reference that makes no sense is a `UsageError`, unless any value is a reference.

    Args:
        evaluator: the evaluator.
        task: a task with a reference for it.
        right: an answer that passes.
        functions: a real function server.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    verdict = evaluator.evaluate(task, right, functions)
    assert verdict.passed, f"the right answer {right!r} does not pass: {verdict.feedback}"
    assert verdict.score == 1.0, f"the right answer {right!r} passes with the score {verdict.score}"
    for answer in HOSTILE_ANSWERS:
        shown = repr(answer)[:60] if not isinstance(answer, int) or abs(answer) < 10**20 else "a huge integer"
        verdict = evaluator.evaluate(task, answer, functions)
        assert isinstance(verdict, Verdict), f"the answer {shown} gets {verdict!r}, not a Verdict"
        assert not verdict.passed, f"the answer {shown} passes"
        assert verdict.score < 1.0, f"the answer {shown} has the score {verdict.score}"
        assert verdict.feedback, f"the answer {shown} fails without feedback"
        if isinstance(verdict.expected, str) and len(verdict.expected) > 2:
            assert verdict.expected not in verdict.feedback, "the feedback gives the expected answer away"
        verdict.model_dump_json()
    first, second = (evaluator.evaluate(task, "wrong", functions) for _ in range(2))
    assert first == second, "the same answer gets two verdicts"
    nonsense = task.model_copy(update={"reference": {"no": ["such", "reference"]}})
    try:
        verdict = evaluator.evaluate(nonsense, right, functions)
    except UsageError:
        return
    assert not verdict.passed, "an answer passes although the reference makes no sense"
