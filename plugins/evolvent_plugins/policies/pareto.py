"""Several objectives at once: variants that no other one beats in everything."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from evolvent.types import Move, Variant
from evolvent_plugins.policies.scores import ByScore, children_of, viable_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ParetoPolicy", "crowding", "front_of"]


class ParetoPolicy(ByScore):
    """`pareto`: from the non-dominated set over `score` and all `scores`, the less crowded of two that are drawn.

    The objectives are the score and every name that any viable variant has under `scores` (another suite, a negated
    cost); a variant without a value has the worst. Two are drawn from the set with p ∝ 1/(1 + children), each on its
    own; the one with the larger crowding distance is expanded; ties go to the first drawn. Source: binary tournament
    and crowding distance of NSGA-II (Deb, Pratap, Agarwal and Meyarivan, IEEE TEVC 6(2), 2002, section III); weighing
    by children is the Darwin Gödel Machine's (arXiv:2505.22954): a corner that yields nothing is left in the end.
    """

    __slots__ = ()

    def choose(self, archive: Sequence[Variant], rng: Random) -> Move:
        """Draw a variant of the non-dominated set."""
        viable, children = viable_of(archive), children_of(archive)
        values = objectives(viable)
        front = front_of(values)
        lone = crowding(values[front])
        weights = [1 / (1 + children[viable[place].id]) for place in front]
        first, second = rng.choices(range(len(front)), weights, k=2)
        won = first if lone[first] >= lone[second] else second
        return Move(action="expand", variant=viable[front[won]].id)


def objectives(variants: Sequence[Variant]) -> NDArray[np.float64]:
    """Return the objectives, shape (variants, 1 + names), each higher is better; -inf where there is none."""
    import numpy as np

    scores = [v.scores for v in variants]
    columns = [[v.score for v in variants]]
    columns += [[given.get(name, -np.inf) for given in scores] for name in sorted(set().union(*scores))]
    values = np.array(columns, dtype=np.float64).T
    return np.where(np.isnan(values), -np.inf, values)


def front_of(values: NDArray[np.float64]) -> list[int]:
    """Return the rows that no other row dominates: is nowhere lower and somewhere higher; ascending."""
    import numpy as np

    # a row that dominates another comes before it in this order, so each row that is reached is in the front
    left = np.lexsort(values.T[::-1])[::-1]
    front = list[int]()
    while len(left):
        best = values[left[0]]
        beaten = (values[left] <= best).all(axis=1)
        front.extend(left[beaten & (values[left] == best).all(axis=1)].tolist())
        left = left[~beaten]
    return sorted(front)


def crowding(values: NDArray[np.float64]) -> list[float]:
    """Return NSGA-II's crowding distances: the sides of the box between a row's neighbours, in shares of the ranges.

    The outermost rows of each objective have an infinite distance; rows without a value of it get nothing from it.
    """
    import numpy as np

    distances = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        order = order[np.isfinite(column[order])]
        if not len(order) or column[order[0]] == column[order[-1]]:
            continue
        ordered = column[order]
        distances[order[[0, -1]]] = np.inf
        distances[order[1:-1]] += (ordered[2:] - ordered[:-2]) / (ordered[-1] - ordered[0])
    found: list[float] = distances.tolist()
    return found
