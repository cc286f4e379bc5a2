"""The built-in curricula: which family of tasks a learning job practises next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING

from evolvent.hookspecs import hookimpl
from evolvent.protocols import Curriculum, CurriculumFactory
from evolvent.types import FamilyProgress

if TYPE_CHECKING:
    from evolvent.settings import Settings

__all__ = ["InOrder", "WeakestFirst", "register_curricula"]


class InOrder:
    """`in-order`: one family after the other, as the suite lists them."""

    __slots__ = ()

    def next_family(self, families: Sequence[FamilyProgress], rng: Random) -> str | None:
        """Return the first family with tasks left."""
        return next((progress.family for progress in families if progress.left), None)


class WeakestFirst:
    """`weakest-first`: the family with the lowest score before practice; one without a fault gets none.

    A family that is started is finished first, whatever its score, because a skill is asked for only after its last
    task. Ties go by the suite's order.
    """

    __slots__ = ()

    def next_family(self, families: Sequence[FamilyProgress], rng: Random) -> str | None:
        """Return a started family, else the weakest one with tasks left and a score below 1."""
        left = [p for p in families if p.left and (p.practised or p.before < 1.0)]
        if not left:
            return None
        return min(left, key=lambda progress: (progress.practised == 0, progress.before)).family


@hookimpl
def register_curricula(register: Callable[[str, CurriculumFactory], None]) -> None:
    """Register `in-order` and `weakest-first`."""
    register("in-order", _in_order)
    register("weakest-first", _weakest_first)


def _in_order(settings: Settings) -> Curriculum:
    return InOrder()


def _weakest_first(settings: Settings) -> Curriculum:
    return WeakestFirst()
