"""`regex`: the whole answer matches a pattern."""

from __future__ import annotations

import re

from evolvent.errors import RunError, UsageError
from evolvent.protocols import FunctionServer
from evolvent.types import JsonValue, Limits, Task, Verdict

__all__ = ["Regex"]

MAX_PATTERN = 2_000
MAX_ANSWER = 20_000
# A pattern such as (a+)+b takes exponential time on some answers and cannot be stopped inside a process; so
# the match runs in the sandbox, which can be killed.
MATCHER = """
import re
def matches(pattern, text, flags):
    return re.fullmatch(pattern, text, flags) is not None
"""
LIMITS = Limits(wall_seconds=3.0, cpu_seconds=3)


class Regex:
    """Judges by `re.fullmatch` on the stripped answer.

    The reference is a pattern, or `{"pattern": "…", "ignore_case": true}`. A number is matched as its text.
    """

    example = (Task(prompt="Write three letters of a, b and c.", reference="[a-c]{3}"), "abc")
    """What `evolvent.testing` checks it with: a task and the right answer."""

    def evaluate(self, task: Task, answer: JsonValue, functions: FunctionServer) -> Verdict:
        """Judge one answer.

        Raises:
            UsageError: the reference is not a valid pattern.
            RunError: the sandbox did not run the match.
        """
        pattern, flags = _read_reference(task.reference)
        if isinstance(answer, int | float) and not isinstance(answer, bool):
            answer = repr(answer)
        if not isinstance(answer, str) or len(answer) > MAX_ANSWER:
            return _verdict(False, f"The answer must be a string of at most {MAX_ANSWER} characters.")
        (result,) = functions.call_function(MATCHER, "matches", [[pattern, answer.strip(), flags]], LIMITS)
        if result.outcome == "limit":
            return _verdict(
                False, "The answer does not have the expected form.", note="matching it took too long"
            )
        if not isinstance(result.value, bool):
            raise RunError(
                f"matching the pattern {pattern!r} in the sandbox ended with {result.error or result!r}"
            )
        return _verdict(result.value, "" if result.value else "The answer does not have the expected form.")


def _verdict(passed: bool, feedback: str, note: str = "") -> Verdict:
    return Verdict(
        score=1.0 if passed else 0.0,
        passed=passed,
        feedback=feedback,
        evidence={"note": note} if note else {},
        evaluator="regex",
    )


def _read_reference(reference: JsonValue) -> tuple[str, int]:
    fields = {"pattern": reference} if isinstance(reference, str) else reference
    pattern = fields.get("pattern") if isinstance(fields, dict) else None
    ignore_case = fields.get("ignore_case", False) if isinstance(fields, dict) else False
    wrong = f"the evaluator 'regex' got the reference {reference!r}; "
    if (
        not isinstance(fields, dict)
        or not isinstance(pattern, str)
        or not isinstance(ignore_case, bool)
        or not fields.keys() <= {"pattern", "ignore_case"}
    ):
        raise UsageError(wrong + 'it needs a pattern, or {"pattern": "…", "ignore_case": true or false}')
    if len(pattern) > MAX_PATTERN:
        raise UsageError(wrong + f"a pattern has at most {MAX_PATTERN} characters")
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(wrong + f"that is not a regular expression: {error}") from error
    return pattern, int(re.IGNORECASE) if ignore_case else 0
