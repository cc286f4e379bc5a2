"""Jobs: practice makes skills of a suite's train tasks, evolution makes agent programs better at it."""

from evolvent.practice.evolving import EvolveJob, Generation
from evolvent.practice.job import LearnJob, Progress
from evolvent.practice.plan import LearnOptions
from evolvent.practice.report import FamilyReport, LearnReport, Paired, SkillOutcome, paired_bootstrap

__all__ = [
    "EvolveJob",
    "FamilyReport",
    "Generation",
    "LearnJob",
    "LearnOptions",
    "LearnReport",
    "Paired",
    "Progress",
    "SkillOutcome",
    "paired_bootstrap",
]
