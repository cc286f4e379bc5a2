"""Policies that look at one score and at how many children a variant has.

All of them expand; none measures. `score` is the mean over a variant's trials, 0 without any. Children are counted
from `parents`, over the whole archive: a child that is not viable was an attempt all the same.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from evolvent.types import Move, Population, Variant

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "BestPolicy",
    "ByScore",
    "DgmHPolicy",
    "DgmPolicy",
    "HillClimbPolicy",
    "RandomPolicy",
    "children_of",
    "viable_of",
]

STEEPNESS = 10.0
"""λ of the sigmoid in both papers."""
DGM_MIDPOINT = 0.5
"""α₀ of the Darwin Gödel Machine."""
DGM_H_TOP = 3
"""Best scores whose mean is the midpoint of DGM-H."""
DGM_H_CHILDREN = 8
"""Children after which DGM-H turns away from a variant."""


class ByScore:
    """The champion of most policies: whoever scored highest."""

    __slots__ = ()

    def champion(self, archive: Sequence[Variant]) -> str:
        """Return the viable variant with the highest score; ties go to more trials, then to the older one."""
        seen = Population.of(archive)
        return seen.viable[_highest(seen.scores, seen.trials)].id


class RandomPolicy(ByScore):
    """`random`: p = 1/n over the n viable variants. The baseline that every other policy must beat."""

    __slots__ = ()

    def choose(self, archive: Sequence[Variant], rng: Random) -> Move:
        """Draw a viable variant."""
        return Move(action="expand", variant=rng.choice(viable_of(archive)).id)


class BestPolicy(ByScore):
    """`best`: the viable variant with the highest score; ties go to fewer children, then to the older one."""

    __slots__ = ()

    def choose(self, archive: Sequence[Variant], rng: Random) -> Move:
        """Take the best one; nothing is left to chance."""
        seen = Population.of(archive)
        best = seen.viable[_highest(seen.scores, -seen.children)]
        return Move(action="expand", variant=best.id)


class HillClimbPolicy(ByScore):
    """`hill-climb`: always the champion. One line of descent that moves on when a child becomes the champion."""

    __slots__ = ()

    def choose(self, archive: Sequence[Variant], rng: Random) -> Move:
        """Take the champion; nothing is left to chance."""
        return Move(action="expand", variant=self.champion(archive))


class DgmPolicy(ByScore):
    """`dgm`: p ∝ sigmoid(10 · (score - 0.5)) · 1 / (1 + children).

    Source: Darwin Gödel Machine, arXiv:2505.22954, appendix on parent selection; `score_child_prop` in
    `DGM_outer.py` of jennyzzt/dgm. The paper leaves variants with a perfect score out. Here they are eligible:
    a perfect score on few trials is no proof, and there may be no other variant.
    """

    __slots__ = ()

    def choose(self, archive: Sequence[Variant], rng: Random) -> Move:
        """Draw a viable variant."""
        import numpy as np

        seen = Population.of(archive)
        return _draw(seen, _log_sigmoid(seen.scores - DGM_MIDPOINT) - np.log1p(seen.children), rng)


class DgmHPolicy(ByScore):
    """`dgm-h`: p ∝ sigmoid(10 · (score - m)) · exp(-(children / 8)³); m is the mean of the three best scores.

    With fewer than three viable variants, m is the mean of theirs. Source: Hyperagents (DGM-H);
    `score_child_prop` of `select_parent` in `utils/gl_utils.py` of facebookresearch/HyperAgents. That code draws
    uniformly once all weights are too small for a float; here their ratios stay as the formula says.
    """

    __slots__ = ()

    def choose(self, archive: Sequence[Variant], rng: Random) -> Move:
        """Draw a viable variant."""
        import numpy as np

        seen = Population.of(archive)
        top = np.partition(seen.scores, max(0, len(seen.viable) - DGM_H_TOP))[-DGM_H_TOP:].tolist()
        midpoint = math.fsum(top) / len(top)
        return _draw(seen, _log_sigmoid(seen.scores - midpoint) - (seen.children / DGM_H_CHILDREN) ** 3, rng)


def viable_of(archive: Sequence[Variant]) -> list[Variant]:
    """Return the variants that may be parents, oldest first."""
    if isinstance(archive, Population):
        return archive.viable
    return [variant for variant in archive if variant.viable]


def children_of(archive: Sequence[Variant]) -> Counter[str]:
    """Return how many children each variant has; a parent that is named twice has one."""
    if isinstance(archive, Population):
        return archive.children_of
    return Counter(
        [p for v in archive for p in (v.parents if len(v.parents) < 2 else dict.fromkeys(v.parents))]
    )


def _highest(first: NDArray[np.float64], second: NDArray[np.float64]) -> int:
    """Return the first place with the highest of `second` among those with the highest of `first`."""
    import numpy as np

    return int(np.where(first == first.max(), second, -np.inf).argmax())


def _log_sigmoid(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return -np.log1p(np.exp(-STEEPNESS * distance))


def _draw(seen: Population, logs: NDArray[np.float64], rng: Random) -> Move:
    """Draw one viable variant; weights are logarithms, because exp(-(children / 8)³) is 0 from 73 children on.

    The same number from `rng` chooses the same variant as `rng.choices` would.
    """
    import numpy as np

    sums = np.exp(logs - logs.max()).cumsum()
    place = int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))
    return Move(action="expand", variant=seen.viable[min(place, len(sums) - 1)].id)
