"""What a simulation of policies found."""

from __future__ import annotations

from pydantic import Field

from evolvent.types._base import Frozen

__all__ = ["Estimate", "PolicyOutcome", "Simulation"]


class Estimate(Frozen):
    """A mean over seeds with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


class PolicyOutcome(Frozen):
    """How one policy did in a world."""

    policy: str
    champion: Estimate
    """True pass rate of the champion that it returned at the end."""
    behind: Estimate
    """By how much the champion of the best policy was better, seed by seed; 0 for the best one."""
    variants: float
    """Mean size of its archives."""
    curve: tuple[Estimate, ...]
    """True pass rate of the champion at each of the simulation's checkpoints."""
    rates: tuple[float, ...]
    """True pass rate of the final champion, a seed each."""


class Simulation(Frozen):
    """Policies in one synthetic world, best first."""

    world: str
    evaluations: int = Field(ge=1)
    trials: int = Field(ge=1)
    """Evaluations of each new variant where a policy does not ask for any itself."""
    seeds: int = Field(ge=2)
    checkpoints: tuple[int, ...]
    """Evaluations at which the champions were looked at."""
    outcomes: tuple[PolicyOutcome, ...]
