"""The words of the kernel as frozen pydantic models."""

from evolvent.types._base import Frozen, JsonValue, canonical_json, digest
from evolvent.types.approval import ApprovalRequest
from evolvent.types.attempt import Attempt, Learned, SolveResult, SolveStatus, Step
from evolvent.types.comparison import Comparison, GateDecision
from evolvent.types.daemon import DaemonStatus, DayBudget
from evolvent.types.episode import Episode, Exchange
from evolvent.types.event import (
    ApprovalAnswered,
    ApprovalAsked,
    BrokerAnswered,
    Event,
    EvolutionFrozen,
    JobMoved,
    LessonChanged,
    LessonKept,
    LessonRefused,
    LessonUsed,
    MemoryConsolidated,
    NodeFinished,
    PluginDisabled,
    PluginFailed,
    ReplayDiverged,
    RetrievalAlarm,
    RetrievalReverted,
    RetrievalTuned,
    RunFinished,
    RunStarted,
    SkillDecided,
    SkillMoved,
    VariantDecided,
    VariantPromoted,
    event_adapter,
)
from evolvent.types.evolution import (
    ApproveMode,
    Candidate,
    CandidateStatus,
    Evaluation,
    EvolveOptions,
    EvolveReport,
)
from evolvent.types.execution import CallResult, Execution, Limits, Variation
from evolvent.types.job import Job, JobRequest, JobState
from evolvent.types.lesson import Lesson, LessonKind, LessonState, Provenance
from evolvent.types.manifest import PluginManifest
from evolvent.types.model import ModelInfo
from evolvent.types.panel import PanelData
from evolvent.types.plugin import PluginInfo
from evolvent.types.progress import FamilyProgress
from evolvent.types.review import Decision, Modification, ToolCall, Touch
from evolvent.types.simulation import Estimate, PolicyOutcome, Simulation
from evolvent.types.skill import (
    AdmissionReport,
    Mover,
    Skill,
    SkillCase,
    SkillHit,
    SkillMove,
    SkillProposal,
    SkillState,
    StageResult,
)
from evolvent.types.task import Split, Task, TaskView
from evolvent.types.token import Scope, TokenInfo
from evolvent.types.usage import Budget, Usage
from evolvent.types.variant import Move, Variant
from evolvent.types.verdict import Verdict

__all__ = [
    "AdmissionReport",
    "ApprovalAnswered",
    "ApprovalAsked",
    "ApprovalRequest",
    "ApproveMode",
    "Attempt",
    "BrokerAnswered",
    "Budget",
    "CallResult",
    "Candidate",
    "CandidateStatus",
    "Comparison",
    "DaemonStatus",
    "DayBudget",
    "Decision",
    "Episode",
    "Estimate",
    "Evaluation",
    "Event",
    "EvolutionFrozen",
    "EvolveOptions",
    "EvolveReport",
    "Exchange",
    "Execution",
    "FamilyProgress",
    "Frozen",
    "GateDecision",
    "Job",
    "JobMoved",
    "JobRequest",
    "JobState",
    "JsonValue",
    "Learned",
    "Lesson",
    "LessonChanged",
    "LessonKept",
    "LessonKind",
    "LessonRefused",
    "LessonState",
    "LessonUsed",
    "Limits",
    "MemoryConsolidated",
    "ModelInfo",
    "Modification",
    "Move",
    "Mover",
    "NodeFinished",
    "PanelData",
    "PluginDisabled",
    "PluginFailed",
    "PluginInfo",
    "PluginManifest",
    "PolicyOutcome",
    "Provenance",
    "ReplayDiverged",
    "RetrievalAlarm",
    "RetrievalReverted",
    "RetrievalTuned",
    "RunFinished",
    "RunStarted",
    "Scope",
    "Simulation",
    "Skill",
    "SkillCase",
    "SkillDecided",
    "SkillHit",
    "SkillMove",
    "SkillMoved",
    "SkillProposal",
    "SkillState",
    "SolveResult",
    "SolveStatus",
    "Split",
    "StageResult",
    "Step",
    "Task",
    "TaskView",
    "TokenInfo",
    "ToolCall",
    "Touch",
    "Usage",
    "Variant",
    "VariantDecided",
    "VariantPromoted",
    "Variation",
    "Verdict",
    "canonical_json",
    "digest",
    "event_adapter",
]
