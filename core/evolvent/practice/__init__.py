"""Practice: a suite's train tasks become skills, and sealed tasks show what that gained."""

from evolvent.practice.job import LearnJob, Progress
from evolvent.practice.plan import LearnOptions
from evolvent.practice.report import FamilyReport, LearnReport, Paired, SkillOutcome, paired_bootstrap

__all__ = [
    "FamilyReport",
    "LearnJob",
    "LearnOptions",
    "LearnReport",
    "Paired",
    "Progress",
    "SkillOutcome",
    "paired_bootstrap",
]
