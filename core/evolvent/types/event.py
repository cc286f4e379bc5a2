"""The ledger's entries."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from evolvent.types._base import Frozen, JsonValue
from evolvent.types.job import JobState
from evolvent.types.skill import Mover, SkillState
from evolvent.types.usage import Usage

__all__ = [
    "ApprovalAnswered",
    "ApprovalAsked",
    "BrokerAnswered",
    "DaemonChanged",
    "DaemonWorked",
    "Event",
    "EvolutionFrozen",
    "JobMoved",
    "LessonChanged",
    "LessonKept",
    "LessonRefused",
    "LessonUsed",
    "MemoryConsolidated",
    "NodeFinished",
    "PlantedFound",
    "PluginDisabled",
    "PluginFailed",
    "ReplayDiverged",
    "RetrievalAlarm",
    "RetrievalReverted",
    "RetrievalTuned",
    "RunFinished",
    "RunStarted",
    "SkillDecided",
    "SkillMoved",
    "VariantDecided",
    "VariantPromoted",
    "event_adapter",
]


class _Event(Frozen):
    key: str
    """Idempotency key: a second append with the same key changes nothing."""
    run_id: str = ""
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class RunStarted(_Event):
    """A solve, a learning job or an evolution run began."""

    kind: Literal["run.started"] = "run.started"
    job: Literal["solve", "learn", "evolve"]
    title: str


class NodeFinished(_Event):
    """A graph node wrote its checkpoint."""

    kind: Literal["node.finished"] = "node.finished"
    node: str
    seconds: float


class BrokerAnswered(_Event):
    """The broker answered, or refused, a request of a guest."""

    kind: Literal["broker.answered"] = "broker.answered"
    attempt_id: str
    method: str
    subject: str = ""
    """The model that was asked, or the name of the tool or skill that was called."""
    ok: bool
    summary: str = ""
    usage: Usage = Usage()


class ReplayDiverged(_Event):
    """A resumed guest asked something else than before; its journal was cut there."""

    kind: Literal["broker.diverged"] = "broker.diverged"
    attempt_id: str
    sequence: int


class SkillDecided(_Event):
    """Admission ended."""

    kind: Literal["skill.decided"] = "skill.decided"
    name: str
    digest: str
    admitted: bool
    reason: str


class SkillMoved(_Event):
    """A version of a skill went from one state to another."""

    kind: Literal["skill.moved"] = "skill.moved"
    name: str
    digest: str
    before: SkillState
    after: SkillState
    by: Mover
    reason: str
    evidence: dict[str, JsonValue] = Field(default_factory=dict)


class LessonKept(_Event):
    """A lesson was stored."""

    kind: Literal["lesson.kept"] = "lesson.kept"
    lesson_id: str
    text: str
    state: str = "active"
    reason: str = ""
    """Why it is not active."""


class LessonChanged(_Event):
    """A lesson went from one state to another, or its evidence changed."""

    kind: Literal["lesson.changed"] = "lesson.changed"
    lesson_id: str
    before: str
    after: str
    reason: str
    evidence: dict[str, JsonValue] = Field(default_factory=dict)


class LessonUsed(_Event):
    """An attempt that a lesson was given to was judged."""

    kind: Literal["lesson.used"] = "lesson.used"
    lesson_id: str
    attempt_id: str
    success: bool


class LessonRefused(_Event):
    """A proposed lesson was not kept, or one that was kept is kept from prompts."""

    kind: Literal["lesson.refused"] = "lesson.refused"
    reason: str


class MemoryConsolidated(_Event):
    """A pass over all lessons ended."""

    kind: Literal["memory.consolidated"] = "memory.consolidated"
    merged: int
    expired: int
    forgotten: int


class RetrievalAlarm(_Event):
    """So many judged attempts in a row were offered no skill, although the library has some."""

    kind: Literal["retrieval.alarm"] = "retrieval.alarm"
    attempts: int


class RetrievalTuned(_Event):
    """The settings of retrieval were changed, since questions that were held out say that it is better."""

    kind: Literal["retrieval.tuned"] = "retrieval.tuned"
    changes: dict[str, JsonValue]
    """Field -> [before, after]."""
    questions: int
    gain: float
    gain_at_least: float


class RetrievalReverted(_Event):
    """The previous settings of retrieval were put back, since later questions say that they were better."""

    kind: Literal["retrieval.reverted"] = "retrieval.reverted"
    changes: dict[str, JsonValue]
    questions: int
    loss: float


class PluginDisabled(_Event):
    """A hook of a plugin failed too often and is not called any more in this process."""

    kind: Literal["plugin.disabled"] = "plugin.disabled"
    plugin: str
    hook: str
    reason: str


class PluginFailed(_Event):
    """A plugin could not be loaded, or a hook of it failed."""

    kind: Literal["plugin.failed"] = "plugin.failed"
    plugin: str
    reason: str


class ApprovalAsked(_Event):
    """A run waits for a person's decision."""

    kind: Literal["approval.asked"] = "approval.asked"
    approval_id: str
    subject_kind: str
    reason: str


class ApprovalAnswered(_Event):
    """A person decided."""

    kind: Literal["approval.answered"] = "approval.answered"
    approval_id: str
    verdict: Literal["approve", "reject"]
    answer: str = ""


class VariantDecided(_Event):
    """Something came of a candidate for the archive of agent programs."""

    kind: Literal["variant.decided"] = "variant.decided"
    variant: str
    """Empty where it did not pass the checks."""
    parent: str
    operator: str
    status: str
    stage: str
    reason: str


class VariantPromoted(_Event):
    """Another variant became the active agent program."""

    kind: Literal["variant.promoted"] = "variant.promoted"
    variant: str
    before: str
    by: Literal["gate", "person", "seed"]
    reason: str = ""


class EvolutionFrozen(_Event):
    """Evolution stopped itself; a person must look and lift it."""

    kind: Literal["evolution.frozen"] = "evolution.frozen"
    reason: str
    evidence: dict[str, JsonValue] = Field(default_factory=dict)


class JobMoved(_Event):
    """A job of the daemon came into another state; its first is `queued`."""

    kind: Literal["job.moved"] = "job.moved"
    job_id: str
    job_kind: str = ""
    state: JobState
    tries: int = 0
    reason: str = ""


class PlantedFound(_Event):
    """A text that was planted on the host turned up in what a guest asked or proposed; it was refused."""

    kind: Literal["planted.found"] = "planted.found"
    where: str
    """The session, the skill or the lesson."""
    form: str
    """How it was written, such as `reversed`."""


class DaemonChanged(_Event):
    """The daemon started, paused, went on, drained, or met something that a person should know."""

    kind: Literal["daemon.changed"] = "daemon.changed"
    what: Literal[
        "started",
        "ended",
        "paused",
        "resumed",
        "draining",
        "idle paused",
        "idle resumed",
        "clock",
        "stalled",
        "model",
        "backup",
    ]
    """`idle …`: only what is done when no job waits; `clock`: it jumped; `stalled`: a job showed no sign of life;
    `model`: it went down or came back."""
    reason: str = ""


class DaemonWorked(_Event):
    """CPU time that the daemon and its local sandboxes used since it last said so."""

    kind: Literal["daemon.worked"] = "daemon.worked"
    cpu_seconds: float = Field(ge=0)


class RunFinished(_Event):
    """A run ended with a result."""

    kind: Literal["run.finished"] = "run.finished"
    status: str
    usage: Usage = Usage()
    detail: dict[str, JsonValue] = Field(default_factory=dict)


Event = Annotated[
    RunStarted
    | NodeFinished
    | BrokerAnswered
    | ReplayDiverged
    | SkillDecided
    | SkillMoved
    | LessonKept
    | LessonChanged
    | LessonUsed
    | LessonRefused
    | MemoryConsolidated
    | RetrievalAlarm
    | RetrievalTuned
    | RetrievalReverted
    | ApprovalAsked
    | ApprovalAnswered
    | PluginDisabled
    | PluginFailed
    | VariantDecided
    | VariantPromoted
    | EvolutionFrozen
    | JobMoved
    | PlantedFound
    | DaemonChanged
    | DaemonWorked
    | RunFinished,
    Field(discriminator="kind"),
]
"""Any ledger entry, told apart by `kind`."""

event_adapter: TypeAdapter[Event] = TypeAdapter(Event)
