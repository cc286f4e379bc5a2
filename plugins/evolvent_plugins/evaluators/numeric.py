"""`numeric`: the answer is the reference number, within a tolerance."""

from __future__ import annotations

import re
from fractions import Fraction

from evolvent.errors import UsageError
from evolvent.protocols import FunctionServer
from evolvent.types import JsonValue, Task, Verdict

__all__ = ["Numeric", "read_number"]

MAX_CHARACTERS = 500
_NUMERAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


class Numeric:
    """Judges numbers.

    The reference is a number, or `{"value": number, "rel_tol": 0.01, "abs_tol": 0}`. Without tolerances an
    integer must be met exactly and a float within a relative 1e-9. The answer is a number, or a string that
    is a number and nothing else: "42" and " 4.2e1 " are, "about 42" and "42 km" are not.
    """

    example = (Task(prompt="What is 6 times 7?", reference=42), "42")
    """What `evolvent.testing` checks it with: a task and the right answer."""

    def evaluate(self, task: Task, answer: JsonValue, functions: FunctionServer) -> Verdict:
        """Judge one answer.

        Raises:
            UsageError: the reference is not a number with tolerances.
        """
        expected, rel_tol, abs_tol = _read_reference(task.reference)
        given = read_number(answer)
        if given is None:
            passed, feedback = False, "The answer is not a number."
        else:
            passed = abs(given - expected) <= max(rel_tol * abs(expected), abs_tol)
            feedback = "" if passed else "The answer is another number."
        return Verdict(
            score=1.0 if passed else 0.0,
            passed=passed,
            feedback=feedback,
            expected=task.reference["value"] if isinstance(task.reference, dict) else task.reference,
            evaluator="numeric",
        )


def read_number(value: JsonValue) -> Fraction | None:
    """Return the exact value of a finite number, or of a string that is one; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Fraction(value)
    if isinstance(value, float):
        return Fraction(value) if value - value == 0.0 else None
    if isinstance(value, str) and len(value) <= MAX_CHARACTERS and _NUMERAL.fullmatch(value.strip()):
        return Fraction(value.strip())
    return None


def _read_reference(reference: JsonValue) -> tuple[Fraction, Fraction, Fraction]:
    fields = reference if isinstance(reference, dict) else {"value": reference}
    numbers = {name: read_number(value) for name, value in fields.items() if not isinstance(value, str)}
    expected = numbers.get("value")
    if (
        expected is None
        or numbers.keys() != fields.keys()
        or not numbers.keys() <= {"value", "rel_tol", "abs_tol"}
        or any(number is None or (number < 0 and name != "value") for name, number in numbers.items())
    ):
        raise UsageError(
            f"the evaluator 'numeric' got the reference {reference!r}; it needs a number, or "
            '{"value": number, "rel_tol": number ≥ 0, "abs_tol": number ≥ 0} with the tolerances optional'
        )
    usual = Fraction(0) if isinstance(fields["value"], int) else Fraction(1, 10**9)
    given = "rel_tol" in numbers or "abs_tol" in numbers
    rel_tol = numbers.get("rel_tol") or (Fraction(0) if given else usual)
    return expected, rel_tol, numbers.get("abs_tol") or Fraction(0)
