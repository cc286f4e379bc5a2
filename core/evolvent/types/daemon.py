"""What a daemon says of itself."""

from __future__ import annotations

from typing import Literal

from evolvent.types._base import Frozen
from evolvent.types.job import Job, JobState

__all__ = ["DaemonStatus", "DayBudget"]


class DayBudget(Frozen):
    """What was used of something since midnight UTC."""

    name: Literal["tokens", "dollars", "cpu_seconds"]
    used: float
    limit: float | None = None
    """None: unbounded."""

    @property
    def spent(self) -> bool:
        """Whether the limit is reached."""
        return self.limit is not None and self.used >= self.limit


class DaemonStatus(Frozen):
    """How a daemon is."""

    pid: int
    started_at: str
    """ISO 8601, UTC."""
    version: str
    state: Literal["running", "draining", "paused"]
    """`paused`: no job is begun."""
    why_paused: str = ""
    idle: str = ""
    """Why nothing is done in idle time now; empty where something may be."""
    model: Literal["up", "down", "probing"] = "up"
    """`down`: it did not answer, and jobs that need it wait; `probing`: one of them tries it."""
    jobs: dict[JobState, int]
    """How many there are in each state."""
    current: tuple[Job, ...] = ()
    """The jobs that are being done."""
    budgets: tuple[DayBudget, ...] = ()
    last_backup: str | None = None
    """When the newest backup in the home was made, ISO 8601 in UTC; None: there is none."""
    last_error: str = ""
    """The newest failure of a job or of the daemon itself."""
