"""How a learning job goes, as curricula see it."""

from __future__ import annotations

from pydantic import Field

from evolvent.types._base import Frozen

__all__ = ["FamilyProgress"]


class FamilyProgress(Frozen):
    """One family of tasks in a learning job."""

    family: str
    before: float = Field(ge=0, le=1)
    """Mean score on its held-out tasks before practice."""
    practised: int = Field(default=0, ge=0)
    """Tasks that were tried."""
    left: int = Field(ge=0)
    """Tasks that may still be tried; a skill is asked for after the last one."""
    scores: tuple[float, ...] = ()
    """Of the tasks that were tried, in order."""
