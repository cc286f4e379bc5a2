"""`exact`: the answer equals the reference."""

from __future__ import annotations

from evolvent.protocols import FunctionServer
from evolvent.types import JsonValue, Task, Verdict
from evolvent_plugins.evaluators.compare import same_json

__all__ = ["Exact"]


class Exact:
    """Judges by equality.

    White space around strings does not count. Types do: True is not 1, and 1 is not "1", with one exception:
    a number answers a string reference that is its usual decimal text (reference "42", answer 42), because a
    solver cannot know whether a text field holds its number as text. The other way round it fails: a
    reference 42 asks for a number.
    """

    example = (Task(prompt="Which gas is NH3?", reference="ammonia"), "ammonia")
    """What `evolvent.testing` checks it with: a task and the right answer."""

    def evaluate(self, task: Task, answer: JsonValue, functions: FunctionServer) -> Verdict:
        """Judge one answer; the reference may be any JSON value."""
        expected = task.reference
        given = answer
        if isinstance(expected, str):
            expected = expected.strip()
            if isinstance(given, int | float) and not isinstance(given, bool):
                given = repr(given)
            elif isinstance(given, str):
                given = given.strip()
        passed = same_json(expected, given)
        return Verdict(
            score=1.0 if passed else 0.0,
            passed=passed,
            feedback="" if passed else _feedback(task.reference, answer),
            expected=task.reference,
            evaluator="exact",
        )


def _feedback(expected: JsonValue, answer: JsonValue) -> str:
    if type(expected) is not type(answer):
        return f"The answer is {_kind(answer)}; {_kind(expected)} is expected."
    return "The answer is not the expected one."


def _kind(value: JsonValue) -> str:
    kinds = {bool: "a truth value", str: "a string", list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(type(value), "a number")
