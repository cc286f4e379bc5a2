"""What is asked and how answers are judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

from evolvent.protocols.sandbox import FunctionServer
from evolvent.types import JsonValue, Split, Task, Verdict

__all__ = ["Evaluator", "Suite", "SuiteFactory"]


@runtime_checkable
class Evaluator(Protocol):
    """Judges answers on the host.

    One that has an attribute `example = (task, right_answer)` is checked with it by `evolvent plugins doctor`.
    """

    def evaluate(self, task: Task, answer: JsonValue, functions: FunctionServer) -> Verdict:
        """Judge one answer.

        Args:
            task: the whole task, `reference` included.
            answer: what the agent returned: untrusted JSON.
            functions: runs code answers in the sandbox; expectations stay here.

        Raises:
            UsageError: the task's reference is not what this evaluator needs.
        """
        ...


@runtime_checkable
class Suite(Protocol):
    """Tasks in three disjoint splits."""

    name: str
    """The spec that made it, for example `reasoning-gym:starter`."""

    @property
    def families(self) -> tuple[str, ...]:
        """The kinds of task in it, at least one."""
        ...

    def tasks(self, split: Split, family: str) -> Iterator[Task]:
        """Yield the tasks of a split and family, always in the same order; may be endless."""
        ...

    def digest(self) -> str:
        """Return a hash of what the splits contain; another hash means that old scores do not compare."""
        ...


SuiteFactory = Callable[[str], Suite]
"""Gets what follows `scheme:` in a suite's spec; an attribute `example` of it is such a text to check it with."""
