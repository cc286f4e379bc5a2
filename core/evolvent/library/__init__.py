"""The skill library: folders as the truth, a router over them, admission in front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolvent.first_use import first_use

if TYPE_CHECKING:
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

__getattr__ = first_use(
    __name__,
    {
        **dict.fromkeys(
            ("Admission", "AdmissionPolicy", "Escalate", "telling_tasks"), "evolvent.library.admission"
        ),
        **dict.fromkeys(("SkillReview", "TrialPolicy"), "evolvent.library.probation"),
        **dict.fromkeys(("Router", "SkillFilter"), "evolvent.library.router"),
        "SkillStore": "evolvent.library.store",
    },
)
