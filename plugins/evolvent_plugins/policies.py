"""Built-in self-modification policies: which variant of the agent program to expand next.

All are memoryless: the archive and the source of chance decide, so a resumed run goes on as an uninterrupted one.
`children` of a variant are the variants of the archive that name it as a parent, viable or not.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from evolvent.hookspecs import hookimpl
from evolvent.protocols import PolicyFactory
from evolvent.types import Move, Variant

__all__ = ["Best", "DarwinGoedel", "HillClimb", "Hyperagent", "Uniform", "register_policies"]


class Ranked:
    """What these policies share: the champion is the best score; ties go to more trials, then to the older one."""

    def champion(self, archive: Sequence[Variant]) -> str:
        """Return the id of the best viable variant."""
        return max(_viable(archive), key=lambda variant: (variant.score, variant.trials)).id


class Uniform(Ranked):
    """Every viable variant with equal chance."""

    def choose(self, archive: Sequence[Variant], rng: Random) -> Move:
        """Return the next move."""
        return _expand(rng.choice(_viable(archive)))


class Best(Ranked):
    """The highest score; ties go to the variant with fewer children, then to the older one."""

    def choose(self, archive: Sequence[Variant], rng: Random) -> Move:
        """Return the next move."""
        children = _children(archive)
        return _expand(max(_viable(archive), key=lambda v: (v.score, -children[v.id])))


class HillClimb(Ranked):
    """Always the champion, however many of its children failed."""

    def choose(self, archive: Sequence[Variant], rng: Random) -> Move:
        """Return the next move."""
        return Move(action="expand", variant=self.champion(archive))


class DarwinGoedel(Ranked):
    """Chance proportional to sigmoid(10 (score - 0.5)) / (1 + children).

    Source: Darwin Gödel Machine, arXiv:2505.22954, appendix on parent selection, with its lambda = 10 and
    alpha_0 = 0.5. There, variants with a perfect score are no parents; here they are, since a suite may be harder
    than its train split.
    """

    def choose(self, archive: Sequence[Variant], rng: Random) -> Move:
        """Return the next move."""
        return _expand(_draw(archive, self.weights(archive), rng))

    def weights(self, archive: Sequence[Variant]) -> list[float]:
        """Return the weight of each viable variant, in the archive's order."""
        children = _children(archive)
        return [_sigmoid(10 * (v.score - 0.5)) / (1 + children[v.id]) for v in _viable(archive)]


class Hyperagent(Ranked):
    """Chance proportional to sigmoid(10 (score - m)) exp(-(children / 8)^3), m the mean of the three best scores.

    Source: Hyperagents (DGM-H), the default parent selection of its published code. The middle moves with the
    archive, so that selection stays sharp when all scores are high.
    """

    def choose(self, archive: Sequence[Variant], rng: Random) -> Move:
        """Return the next move."""
        return _expand(_draw(archive, self.weights(archive), rng))

    def weights(self, archive: Sequence[Variant]) -> list[float]:
        """Return the weight of each viable variant, in the archive's order."""
        viable, children = _viable(archive), _children(archive)
        top = sorted((variant.score for variant in viable), reverse=True)[:3]
        middle = sum(top) / len(top)
        return [_sigmoid(10 * (v.score - middle)) * math.exp(-((children[v.id] / 8) ** 3)) for v in viable]


@hookimpl
def register_policies(register: Callable[[str, PolicyFactory], None]) -> None:
    """Register `random`, `best`, `hill-climb`, `dgm` and `dgm-h`."""
    register("random", lambda settings: Uniform())
    register("best", lambda settings: Best())
    register("hill-climb", lambda settings: HillClimb())
    register("dgm", lambda settings: DarwinGoedel())
    register("dgm-h", lambda settings: Hyperagent())


def _viable(archive: Sequence[Variant]) -> list[Variant]:
    return [variant for variant in archive if variant.viable]


def _children(archive: Sequence[Variant]) -> Counter[str]:
    return Counter(parent for variant in archive for parent in variant.parents)


def _expand(variant: Variant) -> Move:
    return Move(action="expand", variant=variant.id)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _draw(archive: Sequence[Variant], weights: Sequence[float], rng: Random) -> Variant:
    viable = _viable(archive)
    if sum(weights) <= 0.0:  # so many children that all weights vanished
        return rng.choice(viable)
    return rng.choices(viable, weights)[0]
