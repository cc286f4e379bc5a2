"""Variants of the agent program, as policies see them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from evolvent.types._base import Frozen

__all__ = ["Move", "Variant"]


class Variant(Frozen):
    """One agent program of the archive with its lineage and evidence."""

    id: str
    parents: tuple[str, ...] = ()
    """Empty for a seed; two after a crossover."""
    generation: int = Field(default=0, ge=0)
    """0 for a seed."""
    trials: int = Field(default=0, ge=0)
    """Train tasks that it was measured on."""
    passed: int = Field(default=0, ge=0)
    """Of these, those that it passed."""
    score: float = Field(default=0.0, ge=0, le=1)
    """Mean score over the trials; 0 without any."""
    scores: dict[str, float] = Field(default_factory=dict)
    """Further objectives by name, each higher is better: a suite's mean score, or a negated cost."""
    viable: bool = True
    """Whether it passed the checks; one that did not is never a parent."""


class Move(Frozen):
    """What a policy wants next."""

    action: Literal["expand", "measure"]
    """`expand`: make a child of the variant; `measure`: run the variant on one more task."""
    variant: str
    """Its id."""
