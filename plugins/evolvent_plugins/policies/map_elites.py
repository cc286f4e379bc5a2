"""Quality and diversity: the best variant of each kind of behaviour."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from evolvent.types import Move, Variant
from evolvent_plugins.policies.scores import ByScore, viable_of

__all__ = ["MapElitesPolicy", "cells_of", "elites_of"]

GENERATION = "generation"


@dataclass(frozen=True)
class MapElitesPolicy(ByScore):
    """`map-elites`: uniform over the occupied cells of a grid of behaviours; a cell's elite has its highest score.

    What a variant is like is read from `scores` (a negated cost, a size); which of them pass tasks is left to `score`.
    Each descriptor is cut at the quantiles of the archive, so cells hold about as many variants each whatever the unit,
    and a variant without a value is in a cell of its own. Without any descriptor it is the generation. Ties go to
    more trials, then to the older one. Sources: MAP-Elites (Mouret and Clune, arXiv:1504.04909); quantiles as
    boundaries: MESB (Fontaine and others, arXiv:1904.10656). Why not `ribs`: docs/explanation/evolution-statistics.md.
    """

    descriptors: tuple[str, ...] = ()
    """Names under `scores` that span the grid; empty: all that the archive has."""
    cells: int = 8
    """Cells a descriptor."""

    def choose(self, archive: Sequence[Variant], rng: Random) -> Move:
        """Draw an elite."""
        elites = elites_of(viable_of(archive), self.descriptors, self.cells)
        return Move(action="expand", variant=rng.choice(elites).id)


def elites_of(variants: Sequence[Variant], descriptors: Sequence[str] = (), cells: int = 8) -> list[Variant]:
    """Return the best variant of each occupied cell, in the order in which the cells were first occupied."""
    names = descriptors or sorted({name for v in variants for name in v.scores}) or [GENERATION]
    columns = [cells_of([_value(v, name) for v in variants], cells) for name in names]
    elites = dict[tuple[int, ...], Variant]()
    for variant, *cell in zip(variants, *columns, strict=True):
        kept = elites.setdefault(tuple(cell), variant)
        if (variant.score, variant.trials) > (kept.score, kept.trials):
            elites[tuple(cell)] = variant
    return list(elites.values())


def cells_of(values: Sequence[float | None], cells: int) -> list[int]:
    """Return the cell of each value, from 0; -1 where there is none. Equal values share a cell."""
    known = sorted(value for value in values if value is not None)
    bounds = [known[len(known) * cut // cells] for cut in range(1, cells)] if known else []
    return [-1 if value is None else bisect_left(bounds, value) for value in values]


def _value(variant: Variant, name: str) -> float | None:
    value = float(variant.generation) if name == GENERATION else variant.scores.get(name)
    return None if value is None or math.isnan(value) else value
