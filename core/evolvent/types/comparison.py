"""What a paired comparison of two agent programs found, and what the gate decided on it."""

from __future__ import annotations

from pydantic import Field

from evolvent.types._base import Frozen

__all__ = ["Comparison", "GateDecision"]


class Comparison(Frozen):
    """A candidate beside the incumbent on the same tasks and seeds."""

    pairs: int = Field(ge=1)
    """Tasks that both were scored on."""
    candidate: float = Field(ge=0, le=1)
    """The candidate's mean score."""
    incumbent: float = Field(ge=0, le=1)
    """The incumbent's mean score."""
    difference: float = Field(ge=-1, le=1)
    """Mean of candidate - incumbent over the pairs."""
    low: float = Field(ge=-1, le=1)
    """Lower end of the 95 % interval of the difference."""
    high: float = Field(ge=-1, le=1)
    """Upper end of the 95 % interval of the difference."""
    p_value: float = Field(ge=0, le=1)
    """One-sided: how probable so large a difference is if the two are exchangeable on every task."""
    test: str
    """Which test gave the p-value."""


class GateDecision(Frozen):
    """Whether a candidate replaces the incumbent."""

    accepted: bool
    reason: str
    """One sentence with the figures."""
    comparison: Comparison
    alpha: float = Field(ge=0, lt=1)
    """The level that this test had; the candidate is accepted from a p-value of this down."""
    number: int = Field(ge=1)
    """Which test of its archive it was, from 1."""
    place: int = Field(default_factory=lambda known: known["number"], ge=1)
    """Which test of its row it was, from 1: its level follows from that. By default there is one row."""
    promising: bool = False
    """Whether its row was that of candidates that stand out on train."""
