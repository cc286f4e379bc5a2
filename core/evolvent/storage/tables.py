"""The tables of `evolvent.db`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = [
    "ApprovalRow",
    "AttemptRow",
    "Base",
    "CandidateRow",
    "EffectRow",
    "EpisodeRow",
    "EvaluationRow",
    "EventRow",
    "FreezeRow",
    "GateRow",
    "JobRow",
    "JournalRow",
    "LessonRow",
    "LessonUseRow",
    "RetrievalRow",
    "RunRow",
    "SkillTrialRow",
    "TokenRow",
    "VariantRow",
]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {dict[str, Any]: JSON}


class RunRow(Base):
    """A solve or a learning job; the parts of a job have it as their parent."""

    __tablename__ = "runs"
    __table_args__ = (Index("runs_by_parent", "parent_id", "created_at"),)

    id: Mapped[str] = mapped_column(String(120), primary_key=True)
    parent_id: Mapped[str | None] = mapped_column(String(120))
    job: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16), default="running")
    config: Mapped[dict[str, Any]] = mapped_column(JSON)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[str] = mapped_column(String(40), default=_now)
    finished_at: Mapped[str | None] = mapped_column(String(40))


class AttemptRow(Base):
    """An attempt, as the graph sees it."""

    __tablename__ = "attempts"

    id: Mapped[str] = mapped_column(String(140), primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True)
    task_id: Mapped[str] = mapped_column(String(80), index=True)
    status: Mapped[str] = mapped_column(String(16))
    score: Mapped[float | None] = mapped_column(Float)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[str] = mapped_column(String(40), default=_now)


class JournalRow(Base):
    """One answered request of a guest, so that a resumed guest is answered the same without paying again."""

    __tablename__ = "journal"

    session_id: Mapped[str] = mapped_column(String(140), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    response: Mapped[dict[str, Any]] = mapped_column(JSON)
    request: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """`method` and `params`; None in rows of older versions."""


class EventRow(Base):
    """One entry of the append-only ledger."""

    __tablename__ = "events"
    __table_args__ = (Index("events_by_run", "run_id", "id"), Index("events_by_kind", "kind", "id"))

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)
    run_id: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(String(40))
    at: Mapped[str] = mapped_column(String(40))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)


class LessonRow(Base):
    """A lesson of the memory."""

    __tablename__ = "lessons"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    situation: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), default="active", index=True)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[str] = mapped_column(String(40), default=_now)


class LessonUseRow(Base):
    """A lesson was given to an attempt that was judged."""

    __tablename__ = "lesson_uses"

    lesson_id: Mapped[str] = mapped_column(String(80), primary_key=True)
    attempt_id: Mapped[str] = mapped_column(String(140), primary_key=True)
    success: Mapped[bool] = mapped_column(Boolean)
    at: Mapped[str] = mapped_column(String(40), default=_now)


class EpisodeRow(Base):
    """An attempt in full, compressed."""

    __tablename__ = "episodes"

    id: Mapped[str] = mapped_column(String(140), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(120), index=True)
    task_id: Mapped[str] = mapped_column(String(80), index=True)
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the content without durations."""
    size: Mapped[int] = mapped_column(Integer)
    """Bytes of JSON before compression."""
    data: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[str] = mapped_column(String(40), default=_now)


class ApprovalRow(Base):
    """A question to a person, and the answer when there is one."""

    __tablename__ = "approvals"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(120), index=True)
    session_id: Mapped[str] = mapped_column(String(140), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    subject: Mapped[dict[str, Any]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[str] = mapped_column(String(40), default=_now)
    verdict: Mapped[str | None] = mapped_column(String(16))
    answer: Mapped[str] = mapped_column(Text, default="")
    answered_at: Mapped[str | None] = mapped_column(String(40))


class EffectRow(Base):
    """A tool call that changes something outside, written before it is made."""

    __tablename__ = "effects"

    id: Mapped[str] = mapped_column(String(220), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(120), index=True)
    tool: Mapped[str] = mapped_column(String(200))
    begun_at: Mapped[str] = mapped_column(String(40), default=_now)


class SkillTrialRow(Base):
    """A solve in which a skill applied: whether it was given, and what came of it."""

    __tablename__ = "skill_trials"
    __table_args__ = (
        UniqueConstraint("attempt_id", "skill", "digest", name="one_trial_an_attempt"),
        Index("trials_by_skill", "skill", "digest"),
    )

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    attempt_id: Mapped[str] = mapped_column(String(140))
    skill: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(16))
    task_id: Mapped[str] = mapped_column(String(80))
    arm: Mapped[str] = mapped_column(String(8))
    propensity: Mapped[float] = mapped_column(Float)
    score: Mapped[float | None] = mapped_column(Float)
    tokens: Mapped[int | None] = mapped_column(Integer)
    seconds: Mapped[float | None] = mapped_column(Float)
    created_at: Mapped[str] = mapped_column(String(40), default=_now)


class RetrievalRow(Base):
    """What the library offered for an attempt, and which skills proved right."""

    __tablename__ = "retrievals"

    attempt_id: Mapped[str] = mapped_column(String(140), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(120), index=True)
    query: Mapped[str] = mapped_column(Text)
    query_hash: Mapped[str] = mapped_column(String(64))
    library: Mapped[int] = mapped_column(Integer)
    offered: Mapped[list[str]] = mapped_column(JSON)
    judged: Mapped[bool] = mapped_column(Boolean)
    proven: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[str] = mapped_column(String(40), default=_now)


class VariantRow(Base):
    """A variant of the agent program; its files are in the repository of genomes."""

    __tablename__ = "variants"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(40), unique=True)
    tree: Mapped[str] = mapped_column(String(40), index=True)
    parents: Mapped[list[str]] = mapped_column(JSON)
    generation: Mapped[int] = mapped_column(Integer)
    run_id: Mapped[str] = mapped_column(String(120), index=True)
    operator: Mapped[str] = mapped_column(String(64))
    hypothesis: Mapped[str] = mapped_column(Text)
    viable: Mapped[bool] = mapped_column(Boolean, default=True)
    reason: Mapped[str] = mapped_column(Text, default="")
    """Why it is not viable."""
    created_at: Mapped[str] = mapped_column(String(40), default=_now)


class CandidateRow(Base):
    """What came of a move that was to make a variant, rejections and failures included."""

    __tablename__ = "candidates"
    __table_args__ = (
        Index("candidates_by_parent", "parent", "number"),
        Index("candidates_by_variant", "variant", "number"),
        Index("candidates_by_run", "run_id", "number"),
        Index("candidates_by_status", "status", "variant", "number"),
    )

    key: Mapped[str] = mapped_column(String(140), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, unique=True)
    run_id: Mapped[str] = mapped_column(String(120))
    parent: Mapped[str] = mapped_column(String(40))
    operator: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16))
    stage: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)
    hypothesis: Mapped[str] = mapped_column(Text)
    variant: Mapped[str] = mapped_column(String(40))
    changed: Mapped[list[str]] = mapped_column(JSON)
    change: Mapped[str] = mapped_column(Text)
    """The lines that it brought and took away, for novelty."""
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON)
    usage: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[str] = mapped_column(String(40), default=_now)


class EvaluationRow(Base):
    """One attempt of a variant at one task of a split, under one context (suite, model, library, budget, seed)."""

    __tablename__ = "evaluations"

    context: Mapped[str] = mapped_column(String(16), primary_key=True)
    variant: Mapped[str] = mapped_column(String(40), primary_key=True)
    split: Mapped[str] = mapped_column(String(8), primary_key=True)
    task_id: Mapped[str] = mapped_column(String(80), primary_key=True)
    score: Mapped[float] = mapped_column(Float)
    passed: Mapped[bool] = mapped_column(Boolean)
    status: Mapped[str] = mapped_column(String(16))
    usage: Mapped[dict[str, Any]] = mapped_column(JSON)
    failure: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """`answer` and `feedback` of a failed train task."""
    answered: Mapped[str] = mapped_column(String(16), default="", server_default="")
    """Digest of the answer to a train task; empty where it is not known."""
    run_id: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[str] = mapped_column(String(40), default=_now)


class GateRow(Base):
    """One test at the gate; a variant is tested once under one context."""

    __tablename__ = "gates"
    __table_args__ = (UniqueConstraint("context", "number", name="one_gate_a_number"),)

    context: Mapped[str] = mapped_column(String(16), primary_key=True)
    variant: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int] = mapped_column(Integer)
    incumbent: Mapped[str] = mapped_column(String(40))
    accepted: Mapped[bool] = mapped_column(Boolean)
    decision: Mapped[dict[str, Any]] = mapped_column(JSON)
    tasks: Mapped[list[str]] = mapped_column(JSON)
    """Ids of the gate tasks that it was decided on."""
    run_id: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[str] = mapped_column(String(40), default=_now)


class FreezeRow(Base):
    """Evolution was stopped, until a person lifts it."""

    __tablename__ = "freezes"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(Text)
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[str] = mapped_column(String(40), default=_now)
    lifted_at: Mapped[str | None] = mapped_column(String(40))
    lifted_because: Mapped[str | None] = mapped_column(Text)


class JobRow(Base):
    """A job of the daemon."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_next", "state", "priority", "number"),)

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(40), unique=True)
    run_id: Mapped[str] = mapped_column(String(120), unique=True)
    key: Mapped[str | None] = mapped_column(String(200), unique=True)
    kind: Mapped[str] = mapped_column(String(40))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    priority: Mapped[int] = mapped_column(Integer)
    max_tries: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    tries: Mapped[int] = mapped_column(Integer, default=0)
    moves: Mapped[int] = mapped_column(Integer, default=0)
    """Changes of state so far: each has an event of its own."""
    worker: Mapped[str] = mapped_column(String(80), default="")
    cancelling: Mapped[bool] = mapped_column(Boolean, default=False)
    not_before: Mapped[float] = mapped_column(Float, default=0.0)
    reason: Mapped[str] = mapped_column(Text, default="")
    result: Mapped[Any | None] = mapped_column(JSON, default=None)
    created_at: Mapped[str] = mapped_column(String(40))
    started_at: Mapped[str | None] = mapped_column(String(40))
    ended_at: Mapped[str | None] = mapped_column(String(40))


class TokenRow(Base):
    """A bearer token of the HTTP API; the token itself is shown once and not kept."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the token. It has 256 random bits, so that no slow hash is needed."""
    created_at: Mapped[str] = mapped_column(String(40), default=_now)
    expires_at: Mapped[str | None] = mapped_column(String(40))
    revoked_at: Mapped[str | None] = mapped_column(String(40))


class SessionRow(Base):
    """A browser that is logged in to the dashboard; its cookie's secret is not kept."""

    __tablename__ = "sessions"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the secret, which has 256 random bits."""
    token_id: Mapped[str] = mapped_column(String(16))
    """The token that it was begun with: it may what that token may, as long as that one is valid."""
    ends_at: Mapped[float] = mapped_column(Float)
    """Unix time."""
