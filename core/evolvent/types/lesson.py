"""What is remembered of attempts, beside the attempts themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field, field_serializer

from evolvent.types._base import Frozen

__all__ = ["Lesson", "LessonKind", "LessonState", "Provenance"]

LessonKind = Literal["principle", "environment", "example"]
"""`principle`: how to go about something; `environment`: a claim about something that may change by itself (a tool
that fails, a service that is down, a file that is missing); `example`: a worked task with its right answer."""


class LessonState(StrEnum):
    """Where a lesson is in its life. Rows stay, whatever the state."""

    ACTIVE = "active"
    """Given to attempts at similar tasks."""
    UNPROVEN = "unproven"
    """Kept, but given to nobody until a fresh check confirms it."""
    SUPERSEDED = "superseded"
    """Another lesson says the same with better evidence."""
    EXPIRED = "expired"
    """Its time ran out, or a probe showed that it holds no more."""
    FORGOTTEN = "forgotten"
    """It did not help, was never needed, or a person said so."""


class Provenance(Frozen):
    """Where a lesson comes from."""

    task_ids: tuple[str, ...] = ()
    run_ids: tuple[str, ...] = ()
    evaluator: str = ""
    """Who judged the attempts; empty: nobody."""
    judged: bool = False
    taint: tuple[str, ...] = ()
    """What the attempts had read that may not be learned from unchecked; see `evolvent.memory.taint`."""
    confirmed_by: tuple[str, ...] = ()
    """Ids of the attempts that were its fresh check."""


class Lesson(Frozen):
    """A short principle distilled from attempts."""

    id: str
    text: str
    """The principle, in words that can stand in a prompt."""
    situation: str
    """The kind of task that it is about; retrieval matches new prompts against it."""
    sources: tuple[str, ...] = ()
    """Ids of the attempts that it was distilled from."""
    kind: LessonKind = "principle"
    conditions: tuple[str, ...] = ()
    """When it applies, in the words of its writer."""
    subject: str = ""
    """What an environment claim is about; `tool:NAME` is probed by calling the tool."""
    provenance: Provenance = Provenance()
    state: LessonState = LessonState.ACTIVE
    reason: str = ""
    """Why it is in this state."""
    uses: int = Field(default=0, ge=0)
    """Attempts that it was given to and that were judged."""
    successes: int = Field(default=0, ge=0)
    """Those of them that passed."""
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    ttl_seconds: float | None = None
    """How long an environment claim is believed before it is probed again."""
    expires_at: datetime | None = None
    """When belief ends; None: never by itself."""
    probing: str = ""
    """Id of the attempt that the outdated claim was withheld from, so that it tries for itself."""
    supersedes: tuple[str, ...] = ()
    superseded_by: str = ""
    revision: int = Field(default=0, ge=0)
    """How often it was written anew; each time the ledger has an entry."""

    @field_serializer("created_at", "expires_at")
    def _as_text(self, time: datetime | None) -> str | None:
        return None if time is None else time.isoformat()

    @property
    def utility(self) -> float:
        """Chance that an attempt which gets it passes: (successes + 1) / (uses + 2), Laplace's rule of succession."""
        return (self.successes + 1) / (self.uses + 2)

    def outdated(self, now: datetime) -> bool:
        """Tell whether its time ran out."""
        return self.expires_at is not None and now >= self.expires_at
