"""Changing the agent program: what may be changed, who decides on it, and on what evidence."""

from evolvent.evolution.gate import compare, decide
from evolvent.evolution.review import review_modification
from evolvent.evolution.spending import AlphaSpending
from evolvent.evolution.stages import hopeless, stages
from evolvent.evolution.surface import check_surface, read_genome

__all__ = [
    "AlphaSpending",
    "check_surface",
    "compare",
    "decide",
    "hopeless",
    "read_genome",
    "review_modification",
    "stages",
]
