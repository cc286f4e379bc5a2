"""What the archive shows of its variants, kept up to date by what changes instead of being made anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from evolvent.types import Variant

if TYPE_CHECKING:
    from evolvent.types import Population

__all__ = ["ArchiveView", "Shown"]


class Shown(NamedTuple):
    """A variant, and whether policies see it: what could not be measured is held against nobody."""

    variant: Variant
    tried: bool


class ArchiveView:
    """All variants in their order, the best of them, and the population that policies choose from."""

    def __init__(self, shown: Iterable[Shown], attempts: Iterable[Variant]) -> None:
        """Begin with what is stored.

        Args:
            shown: all variants, oldest first.
            attempts: candidates that were rejected before they became variants, oldest first.
        """
        self._shown: list[Shown] = []
        self._places: dict[str, int] = {}
        self._attempts = list(attempts)
        self._best: Variant | None = None
        self._population: Population | None = None
        self._last = -1
        """The place of the youngest variant of the population."""
        for each in shown:
            self.update(each)

    def variants(self) -> list[Variant]:
        """Return all variants, oldest first."""
        return [each.variant for each in self._shown]

    def best(self) -> Variant | None:
        """Return the viable variant with the highest score; ties go to more trials, then to the older one."""
        if self._best is None:
            measured = [v for v, _ in self._shown if v.viable and v.trials]
            self._best = max(measured, key=_rank, default=None)
        return self._best

    def population(self) -> Population:
        """Return what policies see, to keep and to change: variants that were tried, then attempts."""
        from evolvent.types import Population

        if self._population is None:
            tried = [place for place, each in enumerate(self._shown) if each.tried]
            self._last = tried[-1] if tried else -1
            self._population = Population(self._shown[place].variant for place in tried)
            for attempt in self._attempts:
                self._population.attempt(attempt)
        return self._population.copy()

    def update(self, shown: Shown) -> None:
        """Take up a variant that is new or has changed."""
        variant, tried = shown
        place = self._places.setdefault(variant.id, len(self._shown))
        if place == len(self._shown):
            was_tried = False
            self._shown.append(shown)
        else:
            was_tried = self._shown[place].tried
            self._shown[place] = shown
        self._rank(variant, place)
        if self._population is None or not (tried or was_tried):
            return
        if tried and not was_tried and place > self._last:
            self._population.append(variant)
            self._last = place
        elif not (tried and was_tried and self._population.replace(variant)):
            self._population = None  # it belongs among older ones, or is seen no more: seldom

    def attempt(self, attempt: Variant) -> None:
        """Take up a candidate that was rejected."""
        self._attempts.append(attempt)
        if self._population is not None:
            self._population.attempt(attempt)

    def _rank(self, variant: Variant, place: int) -> None:
        best = self._best
        if best is None:
            return
        if best.id == variant.id:
            self._best = None
        elif variant.viable and variant.trials:
            older = place < self._places[best.id]
            if _rank(variant) > _rank(best) or (older and _rank(variant) == _rank(best)):
                self._best = variant


def _rank(variant: Variant) -> tuple[float, int]:
    return variant.score, variant.trials
