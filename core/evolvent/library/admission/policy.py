"""How much evidence is enough."""

from __future__ import annotations

from pydantic import Field

from evolvent.types import Frozen

__all__ = ["AdmissionPolicy"]


class AdmissionPolicy(Frozen):
    """How much evidence is enough.

    A wrong answer costs more than none: when a skill does not answer, the agent falls back to the model.
    """

    min_cases: int = Field(default=8, ge=1)
    """Judged tasks, other than those that the skill was written from, that there must be at least."""
    min_answered: float = Field(default=0.75, ge=0, le=1)
    """Share of the cases that must be answered."""
    max_wrong: int = Field(default=0, ge=0)
    """Cases that may be answered wrongly."""
    max_foreign: int = Field(default=0, ge=0)
    """Questions of other kinds that may be answered."""
    duplicate_inputs: int = Field(default=8, ge=1)
    """Judged inputs on which a proposal is compared with the skills that are there; made-up ones come on top."""
    kept_cases: int = Field(default=32, ge=1)
    """Cases that are kept with an admitted skill."""
    probes: int = Field(default=96, ge=0)
    """Inputs that are made up to falsify a proposal."""
    calls_in_a_row: int = Field(default=600, ge=1)
    """Calls that one process makes to see whether later answers differ from earlier ones."""
    max_failed: float = Field(default=0.5, ge=0, le=1)
    """Share of made-up neighbours of the cases on which the script may fail."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """How often a version that is no better may replace another, where paired trials decide."""
    near: float = Field(default=0.9, ge=-1, le=1)
    """Cosine similarity of two skills' texts from which on they are proposed for merging when they differ."""
