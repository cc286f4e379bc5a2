"""What a learning job practises, and how work is done in parallel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from random import Random
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from evolvent.types import FamilyProgress

if TYPE_CHECKING:
    from evolvent.settings import Settings

__all__ = ["Curriculum", "CurriculumFactory", "ExecutorFactory"]


@runtime_checkable
class Curriculum(Protocol):
    """Chooses what a learning job practises next."""

    def next_family(self, families: Sequence[FamilyProgress], rng: Random) -> str | None:
        """Return the family to practise next, or None to end practice.

        Args:
            families: all families in the suite's order; those with `left == 0` are finished.
            rng: the only source of chance: a job must be repeatable.
        """
        ...


CurriculumFactory = Callable[["Settings"], Curriculum]


ExecutorFactory = Callable[["Settings", int], Executor]
"""Gets the number of workers."""
