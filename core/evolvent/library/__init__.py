"""The skill library: folders as the truth, a router over them, admission in front."""

from evolvent.library.admission import Admission, AdmissionPolicy, Escalate, telling_tasks
from evolvent.library.probation import SkillReview, TrialPolicy
from evolvent.library.router import Router, SkillFilter
from evolvent.library.store import SkillStore

__all__ = [
    "Admission",
    "AdmissionPolicy",
    "Escalate",
    "Router",
    "SkillFilter",
    "SkillReview",
    "SkillStore",
    "TrialPolicy",
    "telling_tasks",
]
