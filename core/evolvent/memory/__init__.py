"""What is remembered of attempts."""

from evolvent.memory.consolidation import ConsolidationPolicy, ConsolidationStep, consolidate, plan
from evolvent.memory.episodes import Episodes
from evolvent.memory.lessons import Lessons, SearchIndex, Times
from evolvent.memory.memory import Memory
from evolvent.memory.proposals import LessonProposal, decide
from evolvent.memory.store import LessonStore
from evolvent.memory.taint import TaintPolicy

__all__ = [
    "ConsolidationPolicy",
    "ConsolidationStep",
    "Episodes",
    "LessonProposal",
    "LessonStore",
    "Lessons",
    "Memory",
    "SearchIndex",
    "TaintPolicy",
    "Times",
    "consolidate",
    "decide",
    "plan",
]
