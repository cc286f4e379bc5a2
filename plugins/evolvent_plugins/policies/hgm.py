"""The Huxley-Gödel Machine: a variant is worth expanding for what came of its descendants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from evolvent.types import Move, Variant
from evolvent_plugins.policies.scores import viable_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["HgmPolicy", "clade_counts"]

GROWTH = 0.6
"""Alpha of the paper: with N evaluations an archive has about N^alpha variants."""
QUANTILE = 0.01
"""Of the posterior of a variant's pass rate, by which the champion is picked: epsilon = 1 % in the paper."""


@dataclass(frozen=True)
class HgmPolicy:
    """`hgm`: expand while N^0.6 ≥ variants, else measure; both by Thompson sampling; N is the evaluations so far.

    To expand: draw θ from Beta(τ(1 + passed), τ(1 + failed)) over the *clade* of each measured variant, which is itself
    with all its descendants, and take the highest: the clade's pass rate estimates the clade-metaproductivity, what
    the variant is good for as an ancestor. To measure: the same with each variant's own counts. The champion is the
    variant whose own posterior has the highest 1 % quantile, so that luck on few trials does not win.

    Source: Huxley-Gödel Machine, arXiv:2510.21614, section 3.3; `TS_sample`, `expand` and `sample` in `hgm.py` of
    metauto-ai/HGM, which never expands what was not measured, as here, nor what passed nothing, which is left to the
    draw here. That code does not count the root among the nodes; the paper and this policy do. A crossover belongs to
    the clade of its first parent, so that clades form a tree. Variants that are not viable count for nothing; their
    descendants do.
    """

    budget: int | None = None
    """Evaluations B of the whole run, if they are known: τ is then B/(B - N), which makes the draws greedier towards
    the end, as in the paper's experiments; without it τ is 1, as by default in the paper's code."""

    def choose(self, archive: Sequence[Variant], rng: Random) -> Move:
        """Expand or measure."""
        viable = viable_of(archive)
        spent = sum([v.trials for v in viable])
        tau = self.budget / max(1, self.budget - spent) if self.budget else 1.0
        if spent**GROWTH < len(viable):
            return Move(action="measure", variant=_drawn(viable, *_own_counts(viable), tau, rng))
        places = [place for place, v in enumerate(archive) if v.viable and v.trials]
        passed, trials = clade_counts(archive)
        measured = [archive[place] for place in places]
        counts = [passed[place] for place in places], [trials[place] for place in places]
        chosen = _drawn(measured, *counts, tau, rng)
        return Move(action="expand", variant=chosen)

    def champion(self, archive: Sequence[Variant]) -> str:
        """Return the viable variant with the highest 1 % quantile; ties go to more trials, then to the older one."""
        from scipy.special import betaincinv

        viable = viable_of(archive)
        low = betaincinv(*_posterior(*_own_counts(viable)), QUANTILE)
        return max(zip(low.tolist(), viable, strict=True), key=lambda pair: (pair[0], pair[1].trials))[1].id


def clade_counts(archive: Sequence[Variant]) -> tuple[list[int], list[int]]:
    """Return what each variant and all its descendants passed together, and their trials, in the archive's order.

    One pass from the youngest to the oldest: children come after their parents in an archive.
    """
    passed = [v.passed if v.viable else 0 for v in archive]
    trials = [v.trials if v.viable else 0 for v in archive]
    places = {v.id: place for place, v in enumerate(archive)}
    for place in range(len(archive) - 1, -1, -1):
        parents = archive[place].parents
        above = places.get(parents[0]) if parents else None
        if above is not None:
            passed[above] += passed[place]
            trials[above] += trials[place]
    return passed, trials


def _own_counts(variants: Sequence[Variant]) -> tuple[list[int], list[int]]:
    return [v.passed for v in variants], [v.trials for v in variants]


def _posterior(
    passed: Sequence[int], trials: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both parameters of the Beta posteriors of pass rates, from a uniform prior."""
    import numpy as np

    successes = np.array(passed, dtype=np.float64)
    return 1 + successes, 1 + np.array(trials, dtype=np.float64) - successes


def _drawn(
    variants: Sequence[Variant], passed: Sequence[int], trials: Sequence[int], tau: float, rng: Random
) -> str:
    import numpy as np

    successes, failures = _posterior(passed, trials)
    # numpy draws ten thousand at once; its seed comes from the run's chance
    thetas = np.random.default_rng(rng.getrandbits(128)).beta(tau * successes, tau * failures)
    return variants[int(thetas.argmax())].id
