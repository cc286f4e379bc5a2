"""The state of one generation, as it is checkpointed after every node."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from evolvent.types import Candidate, EvolveOptions, Usage

__all__ = ["EvolveState", "merge_candidates"]


def merge_candidates(known: tuple[Candidate, ...], new: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """Add candidates; one with a key that is there takes its place, so a node may run twice."""
    merged = {candidate.key: candidate for candidate in (*known, *new)}
    return tuple(merged.values())


class EvolveState(BaseModel):
    """Input and progress of one generation of the evolve graph. `run_id` and `suite` must be given."""

    model_config = ConfigDict(extra="forbid")

    run_id: str
    suite: str
    """Its spec, such as `reasoning-gym:starter`."""
    options: EvolveOptions = Field(default_factory=EvolveOptions)
    generation: int = Field(default=1, ge=1)
    candidates: Annotated[tuple[Candidate, ...], merge_candidates] = ()
    """The moves of this generation, in the order of their slots."""
    begun: Usage | None = None
    """What the run had used when the generation began; its `seconds` are those of the clock."""
    promoted: str = ""
    """The variant that became the active program in this generation."""

    def at(self, *statuses: str, action: str = "expand") -> list[Candidate]:
        """Return the candidates with one of these statuses."""
        return [c for c in self.candidates if c.status in statuses and c.action == action]
