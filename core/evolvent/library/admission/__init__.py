"""Admission: a proposal becomes a skill only by evidence, cheap checks first; `pipeline` has their order."""

from evolvent.library.admission.candidate import Escalate
from evolvent.library.admission.pipeline import Admission
from evolvent.library.admission.policy import AdmissionPolicy
from evolvent.library.admission.strata import telling_tasks

__all__ = ["Admission", "AdmissionPolicy", "Escalate", "telling_tasks"]
