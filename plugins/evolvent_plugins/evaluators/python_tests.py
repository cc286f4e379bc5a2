"""`python-tests`: the answer is Python source whose function returns the right values."""

from __future__ import annotations

from functools import partial

from pydantic import Field, ValidationError

from evolvent.errors import UsageError
from evolvent.protocols import FunctionServer
from evolvent.types import Frozen, JsonValue, Limits, Task, Verdict
from evolvent_plugins.evaluators.cases import MAX_SOURCE, Case, find_source, judge_source
from evolvent_plugins.evaluators.compare import same_json

__all__ = ["PythonTests"]


class _Call(Frozen):
    args: list[JsonValue]
    expected: JsonValue


class _Reference(Frozen):
    function: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    cases: list[_Call] = Field(min_length=1, max_length=1_000)
    seconds: float = Field(default=5.0, gt=0, le=60)


class PythonTests:
    """Judges source by cases.

    The reference is `{"function": "name", "cases": [{"args": […], "expected": …}], "seconds": 5}`: each
    case calls `name(*args)` in the sandbox within `seconds` (optional), and the value is compared here,
    types included. The answer is Python source, or text with it in fenced blocks.
    """

    example = (
        Task(
            prompt="Write double(n).",
            reference={"function": "double", "cases": [{"args": [n], "expected": 2 * n} for n in (0, 1, 5)]},
        ),
        "def double(n):\n    return 2 * n\n",
    )
    """What `evolvent.testing` checks it with: a task and the right answer."""

    def evaluate(self, task: Task, answer: JsonValue, functions: FunctionServer) -> Verdict:
        """Judge one answer; the score is the share of cases that are right.

        Raises:
            UsageError: the reference is not of the form above.
            MissingPrerequisite, SandboxLost: from the function server.
        """
        try:
            reference = _Reference.model_validate(task.reference)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the reference"
            raise UsageError(
                f"the evaluator 'python-tests' cannot use the reference of the task {task.id!r}: {where}: "
                f'{first["msg"]}. It needs {{"function": name, "cases": [{{"args": […], "expected": …}}]}}'
            ) from error
        source = find_source(answer)
        if source is None:
            return Verdict(
                score=0.0,
                passed=False,
                feedback=f"The answer must be Python source of at most {MAX_SOURCE} characters.",
                evaluator="python-tests",
            )
        cases = [
            Case(call.args, partial(same_json, call.expected), call.expected) for call in reference.cases
        ]
        limits = Limits(wall_seconds=reference.seconds, cpu_seconds=max(1, round(reference.seconds)))
        return judge_source(source, reference.function, cases, functions, "python-tests", limits)
