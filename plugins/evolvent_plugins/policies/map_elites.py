"""Quality and diversity: the best variant of each kind of behaviour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from evolvent.types import Move, Variant
from evolvent_plugins.policies.scores import ByScore, viable_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    import numpy as np

    names = descriptors or sorted(set[str]().union(*[v.scores for v in variants])) or [GENERATION]
    grid = np.zeros(len(variants), dtype=np.int64)
    for name in names:
        grid = grid * (cells + 1) + cells_of(_values(variants, name), cells)
    elites = dict[int, Variant]()
    for variant, cell in zip(variants, grid.tolist(), strict=True):
        kept = elites.setdefault(cell, variant)
        if (variant.score, variant.trials) > (kept.score, kept.trials):
            elites[cell] = variant
    return list(elites.values())


def cells_of(values: Sequence[float], cells: int) -> NDArray[np.int64]:
    """Return the cell of each value, from 0; the last, `cells`, is for NaN. Equal values share a cell."""
    import numpy as np

    given = np.array(values, dtype=np.float64)
    known = np.sort(given[~np.isnan(given)])
    bounds = known[len(known) * np.arange(1, cells) // cells] if len(known) else known
    return np.where(np.isnan(given), cells, np.searchsorted(bounds, given))


def _values(variants: Sequence[Variant], name: str) -> list[float]:
    if name == GENERATION:
        return [float(v.generation) for v in variants]
    return [v.scores.get(name, math.nan) for v in variants]
