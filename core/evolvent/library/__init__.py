"""The skill library: folders as the truth, an index beside them, admission in front."""

from evolvent.library.admission import Admission, AdmissionPolicy, Escalate, telling_tasks
from evolvent.library.index import Document, Hit, VectorIndex
from evolvent.library.router import Router
from evolvent.library.store import SkillStore

__all__ = [
    "Admission",
    "AdmissionPolicy",
    "Document",
    "Escalate",
    "Hit",
    "Router",
    "SkillStore",
    "VectorIndex",
    "telling_tasks",
]
