"""Built-in curricula: what a learning job practises next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from evolvent.hookspecs import hookimpl
from evolvent.protocols import CurriculumFactory
from evolvent.types import FamilyProgress

__all__ = ["InOrder", "WeakestFirst", "register_curricula"]


class InOrder:
    """One family after the other, in the suite's order."""

    def next_family(self, families: Sequence[FamilyProgress], rng: Random) -> str | None:
        """Return the first family with tasks left."""
        return next((progress.family for progress in families if progress.left), None)


class WeakestFirst:
    """The family with the lowest score before practice first; one that needs no practice gets none.

    A family that was begun is finished before the next one: a skill is asked for after its last task.
    """

    def next_family(self, families: Sequence[FamilyProgress], rng: Random) -> str | None:
        """Return the family that was begun, else the weakest with tasks left; ties go by the suite's order."""
        left = [progress for progress in families if progress.left and progress.before < 1.0]
        begun = [progress for progress in left if progress.practised]
        chosen = min(begun or left, key=lambda progress: progress.before, default=None)
        return None if chosen is None else chosen.family


@hookimpl
def register_curricula(register: Callable[[str, CurriculumFactory], None]) -> None:
    """Register `in-order` and `weakest-first`."""
    register("in-order", lambda settings: InOrder())
    register("weakest-first", lambda settings: WeakestFirst())
