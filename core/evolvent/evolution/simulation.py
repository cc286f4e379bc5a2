"""Policies compared where the truth is known: archives that grow in a synthetic world."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, TypeVar

from evolvent.errors import RunError, UnknownName, UsageError, error_text
from evolvent.evolution.worlds import WORLDS, Program, World
from evolvent.protocols import Policy
from evolvent.types import Estimate, Move, PolicyOutcome, Simulation, Variant

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["grow", "simulate"]

T = TypeVar("T")

CHECKPOINTS = 20
"""Places of a curve."""
RESAMPLES = 2000


def simulate(
    policies: Mapping[str, Policy],
    world: str = "mismatched",
    *,
    seeds: int = 20,
    evaluations: int = 800,
    trials: int = 10,
    progress: Callable[[], None] = lambda: None,
) -> Simulation:
    """Grow an archive with every policy and seed, and compare the true pass rates of their champions.

    All policies meet the same tree of programs for a seed, and the n-th evaluation of a program comes out alike for all
    of them, so they are compared in pairs. What is equal is the number of evaluations; making a child costs none, as in
    the Huxley-Gödel Machine's comparison (arXiv:2510.21614).

    Args:
        policies: by name.
        world: one of `WORLDS`.
        seeds: archives a policy grows.
        evaluations: of one archive.
        trials: evaluations that each new variant gets where the policy does not ask for any itself.
        progress: called after each archive.

    Raises:
        UnknownName: there is no such world.
        UsageError: a number is too small, or there is no policy.
        RunError: a policy fails or breaks its contract.
    """
    import numpy as np

    if seeds < 2 or evaluations < 1 or trials < 1 or not policies:
        raise UsageError(
            f"{len(policies)} policies, {seeds!r} seeds, {evaluations!r} evaluations, {trials!r} trials; "
            "at least one policy, two seeds, one evaluation and one trial are needed"
        )
    if world not in WORLDS:
        raise UnknownName("world", world, WORLDS)
    checkpoints = sorted({max(1, evaluations * n // CHECKPOINTS) for n in range(1, CHECKPOINTS + 1)})
    curves: dict[str, NDArray[np.float64]] = {}
    sizes: dict[str, float] = {}
    for name, policy in policies.items():
        grown = []
        for seed in range(seeds):
            grown.append(grow(name, policy, WORLDS[world], seed, checkpoints, trials))
            progress()
        curves[name] = np.array([rates for rates, _ in grown])
        sizes[name] = sum(size for _, size in grown) / seeds
    names = sorted(curves, key=lambda name: -float(curves[name][:, -1].mean()))
    best = curves[names[0]]
    outcomes = []
    for name in names:
        curve = estimates(curves[name])
        outcomes.append(
            PolicyOutcome(
                policy=name,
                champion=curve[-1],
                behind=estimates(best[:, -1:] - curves[name][:, -1:])[0],
                variants=sizes[name],
                curve=tuple(curve),
                rates=tuple(curves[name][:, -1].tolist()),
            )
        )
    return Simulation(
        world=world,
        evaluations=evaluations,
        trials=trials,
        seeds=seeds,
        checkpoints=tuple(checkpoints),
        outcomes=tuple(outcomes),
    )


def grow(
    name: str, policy: Policy, world: World, seed: int, checkpoints: Sequence[int], trials: int
) -> tuple[list[float], int]:
    """Grow one archive; return the true pass rates of its champions at the checkpoints, and its size.

    A policy that wants the untried root measured does its own measuring. Any other one never asks: its variants
    get `trials` evaluations each when they are made.

    Raises:
        RunError: the policy fails or breaks its contract.
    """
    grown, total = _Archive(world, seed), checkpoints[-1]
    rng = Random(seed)  # noqa: S311 - chance that must be repeatable
    own = _move(name, policy, grown, Random(seed)).action == "measure"  # noqa: S311 - as above
    if not own:
        grown.measure(0, min(trials, total))
    rates = []
    for target in checkpoints:
        # making a child costs no evaluation: the second condition ends a policy that does nothing else
        while grown.spent < target and len(grown.variants) <= total:
            move = _move(name, policy, grown, rng)
            place = grown.places[move.variant]
            if move.action == "measure":
                grown.measure(place, 1)
            else:
                child = grown.expand(place)
                if not own and grown.variants[child].viable:
                    grown.measure(child, min(trials, total - grown.spent))
        rates.append(grown.programs[_champion(name, policy, grown)].rate)
    return rates, len(grown.variants)


def estimates(values: NDArray[np.float64]) -> list[Estimate]:
    """Return for each column of shape (seeds, columns) its mean and the percentile bootstrap interval of the mean."""
    import numpy as np
    from scipy.stats import bootstrap

    found = bootstrap(
        (values,), np.mean, axis=0, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    columns = zip(values.mean(axis=0), found.low, found.high, strict=True)
    return [Estimate(mean=float(mean), low=float(low), high=float(high)) for mean, low, high in columns]


class _Archive:
    """What a policy sees of a world, beside what it does not."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self.variants: list[Variant] = []
        self.programs: list[Program] = []
        self.places: dict[str, int] = {}
        self.spent = 0
        self._luck: list[Random] = []
        self._children: list[int] = []
        self._add(world.root(seed), parents=(), generation=0)

    def expand(self, place: int) -> int:
        """Make a child, and return its place."""
        parent = self.variants[place]
        made = self._world.child(self.programs[place], self._children[place])
        self._children[place] += 1
        return self._add(made, (parent.id,), parent.generation + 1)

    def measure(self, place: int, trials: int) -> None:
        """Run a variant on so many tasks."""
        variant, program, luck = self.variants[place], self.programs[place], self._luck[place]
        passed = variant.passed + sum(luck.random() < program.rate for _ in range(trials))
        tried = variant.trials + trials
        self.spent += trials
        self.variants[place] = variant.model_copy(
            update={
                "trials": tried,
                "passed": passed,
                "score": passed / tried if tried else 0.0,
                "scores": {"cost": -program.cost} if tried else {},
            }
        )

    def _add(self, program: Program, parents: tuple[str, ...], generation: int) -> int:
        place = len(self.variants)
        made = Variant(id=f"v{place}", parents=parents, generation=generation, viable=program.viable)
        self.variants.append(made)
        self.programs.append(program)
        self.places[made.id] = place
        self._luck.append(program.luck())
        self._children.append(0)
        return place


def _move(name: str, policy: Policy, grown: _Archive, rng: Random) -> Move:
    move = _asked(name, lambda: policy.choose(tuple(grown.variants), rng))
    if not isinstance(move, Move):
        raise RunError(
            f"the policy {name!r} returned {move!r:.80}; `check_policy` of evolvent.testing says more"
        )
    _viable(name, move.variant, grown)
    return move


def _champion(name: str, policy: Policy, grown: _Archive) -> int:
    return _viable(name, _asked(name, lambda: policy.champion(tuple(grown.variants))), grown)


def _viable(name: str, variant: str, grown: _Archive) -> int:
    place = grown.places.get(variant)
    if place is None or not grown.variants[place].viable:
        raise RunError(
            f"the policy {name!r} named {variant!r:.80}, which is no viable variant of the archive; "
            "`check_policy` of evolvent.testing says more"
        )
    return place


def _asked(name: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except Exception as error:
        raise RunError(f"the policy {name!r} failed: {error_text(error)}") from error
