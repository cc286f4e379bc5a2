"""Judging Python source by calling it in the sandbox and comparing the values here."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evolvent.protocols import FunctionServer
from evolvent.types import CallResult, JsonValue, Limits, Verdict

__all__ = ["Case", "find_source", "judge_source"]

MAX_SOURCE = 100_000
MAX_FAILURES = 5
"""Failing cases that a verdict carries as evidence."""
MAX_TIMEOUTS = 2
CALL_LIMITS = Limits(wall_seconds=5.0, cpu_seconds=5)

_FENCE = re.compile(r"```[a-zA-Z0-9_+-]*[ \t]*\n(.*?)\n?```", re.DOTALL)


@dataclass(frozen=True)
class Case:
    """Arguments, and what says whether the value for them is right. Only the arguments enter the sandbox."""

    args: list[JsonValue]
    accepts: Callable[[JsonValue], bool]
    expected: JsonValue = None
    """For people, where there is one value."""
    shown: str = ""
    """How the call is shown to people; default `function(*args)`."""


def find_source(answer: JsonValue) -> str | None:
    """Return the source in an answer: its fenced code blocks, else the whole text; None if it is no text."""
    if not isinstance(answer, str) or len(answer) > MAX_SOURCE:
        return None
    blocks = _FENCE.findall(answer)
    return "\n\n".join(blocks) if blocks else answer


def judge_source(
    source: str,
    function: str,
    cases: Sequence[Case],
    functions: FunctionServer,
    evaluator: str,
    limits: Limits = CALL_LIMITS,
) -> Verdict:
    """Call `function` of the source for each case; the score is the share of right values.

    Raises:
        MissingPrerequisite, SandboxLost: from the function server.
    """
    results = _call_all(source, function, cases, functions, limits)
    failures = [
        (number, case, result)
        for number, (case, result) in enumerate(zip(cases, results, strict=True), 1)
        if not (result.ok and case.accepts(result.value))
    ]
    score = 1.0 - len(failures) / len(cases)
    feedback = ""
    if failures:
        number, case, result = failures[0]
        feedback = (
            f"{len(failures)} of {len(cases)} cases fail. Case {number}: "
            f"{_call_text(function, case)} {_outcome_text(result)}"
        )
    return Verdict(
        score=score,
        passed=not failures,
        feedback=feedback,
        evidence={"failures": [_failure(*failure, function) for failure in failures[:MAX_FAILURES]]}
        if failures
        else {},
        evaluator=evaluator,
    )


def _call_all(
    source: str, function: str, cases: Sequence[Case], functions: FunctionServer, limits: Limits
) -> list[CallResult]:
    """Call for each case; after `MAX_TIMEOUTS` calls that ran into a limit, the rest is not tried.

    The batches grow from one call, so that a source that always hangs costs that many time-outs and no more.
    """
    results: list[CallResult] = []
    size = 1
    while len(results) < len(cases) and sum(result.outcome == "limit" for result in results) < MAX_TIMEOUTS:
        batch = [case.args for case in cases[len(results) : len(results) + size]]
        results += functions.call_function(source, function, batch, limits)
        size = 1 if results[-1].outcome == "limit" else size * 16
    untried = CallResult(outcome="limit", error=f"not tried: {MAX_TIMEOUTS} calls before it ran into a limit")
    return results + [untried] * (len(cases) - len(results))


def _call_text(function: str, case: Case) -> str:
    return _cut(case.shown or f"{function}({', '.join(map(repr, case.args))})", 300)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "…"


def _outcome_text(result: CallResult) -> str:
    if result.ok:
        return f"returns {_cut(repr(result.value), 200)}, which is wrong."
    where = f" (line {result.line})" if result.line else ""
    verb = {"exception": "raises", "not_json": "returns a value that is not plain JSON:"}.get(
        result.outcome, "does not finish:"
    )
    return f"{verb} {result.error}{where}"


def _failure(number: int, case: Case, result: CallResult, function: str) -> dict[str, JsonValue]:
    found: JsonValue = result.value if len(repr(result.value)) <= 2_000 else _cut(repr(result.value), 2_000)
    return {
        "case": number,
        "call": _call_text(function, case),
        "outcome": result.outcome,
        "found": found,
        "expected": case.expected,
        "error": result.error,
        "stdout": result.stdout[:1_000],
    }
