"""How a daemon is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from evolvent.types._base import Frozen
from evolvent.types.job import Job, JobState

__all__ = ["BudgetUse", "DaemonStatus"]


class BudgetUse(Frozen):
    """What was used of a day's budget."""

    used: float
    limit: float | None = None
    """None: unbounded."""


class DaemonStatus(Frozen):
    """What a daemon does and how much of it is done."""

    pid: int
    started_at: str
    """ISO 8601, UTC."""
    version: str
    state: Literal["running", "draining", "paused"]
    why_paused: str = ""
    jobs: dict[JobState, int] = Field(default_factory=dict)
    """How many there are in each state."""
    current: tuple[Job, ...] = ()
    """Those that are being done."""
    budgets: dict[str, BudgetUse] = Field(default_factory=dict)
    """`tokens`, `dollars` and `cpu_seconds` since midnight UTC."""
    last_error: str = ""
