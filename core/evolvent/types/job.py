"""What a daemon is asked to do."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from evolvent.types._base import Frozen, JsonValue

__all__ = ["Job", "JobRequest", "JobState"]


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    """For a person's decision."""
    FINISHED = "finished"
    DEAD = "dead"
    """Given up after its last try; the reason says why."""
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it by itself."""
        return self in (JobState.FINISHED, JobState.DEAD, JobState.CANCELLED)


class JobRequest(Frozen):
    """What is handed in."""

    kind: str = Field(default="solve", min_length=1, max_length=40)
    """Which handler does it."""
    payload: dict[str, JsonValue] = Field(default_factory=dict)
    """For the handler."""
    priority: int = Field(default=0, ge=-100, le=100)
    """Higher ones come first; what users hand in has 0, what is done in idle time less."""
    key: str | None = Field(default=None, min_length=1, max_length=200)
    """Deduplication: a second request with this key and the same content finds the first job."""
    max_tries: int = Field(default=3, ge=1, le=100)
    """How often it is begun before it is given up."""


class Job(JobRequest):
    """A job as the queue knows it. Times are ISO 8601 in UTC."""

    id: str
    run_id: str
    """The run that does it: the same at each try, so that what a try finished is not done again."""
    state: JobState
    tries: int = 0
    """How often it was begun."""
    worker: str = ""
    """Who has it, or had it last."""
    cancelling: bool = False
    """Whether its worker was asked to stop it."""
    not_before: float = 0.0
    """Unix time before which it is not begun (again)."""
    reason: str = ""
    """Why it failed last, waits, or was given up."""
    result: JsonValue = None
    created_at: str = ""
    started_at: str | None = None
    ended_at: str | None = None
