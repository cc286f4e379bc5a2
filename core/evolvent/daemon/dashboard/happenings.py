"""Entries of the ledger in words for people."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from evolvent.types import (
    ApprovalAnswered,
    ApprovalAsked,
    BrokerAnswered,
    DaemonChanged,
    Event,
    EvolutionFrozen,
    JobMoved,
    RunFinished,
    RunStarted,
    SkillDecided,
    SkillMoved,
    VariantDecided,
    VariantPromoted,
)

__all__ = ["QUIET", "Happening", "happening"]

QUIET = frozenset({"node.finished", "daemon.worked"})
"""Kinds that say nothing to people."""


class Happening(NamedTuple):
    """What an event says."""

    what: str
    state: str = ""
    """Shown as a badge."""
    detail: str = ""
    href: str = ""


def happening(event: Event) -> Happening:
    """Return an event in words; all of them may hold what a model wrote."""
    run = f"/runs/{quote(event.run_id)}" if event.run_id else ""
    match event:
        case JobMoved():
            return Happening(f"Job {event.job_id}", event.state, event.reason, f"/jobs/{quote(event.job_id)}")
        case RunStarted():
            return Happening(f"Run began ({event.job})", "", event.title, run)
        case RunFinished():
            return Happening("Run ended", event.status, "", run)
        case BrokerAnswered():
            state = "ok" if event.ok else "refused"
            return Happening(f"Agent asked: {event.method}", state, event.summary, run)
        case SkillDecided():
            state = "admitted" if event.admitted else "rejected"
            return Happening(f"Skill {event.name}", state, event.reason, run)
        case SkillMoved():
            return Happening(f"Skill {event.name}", event.after, event.reason, run)
        case ApprovalAsked():
            return Happening(
                f"A person must decide ({event.subject_kind})", "pending", event.reason, "/approvals"
            )
        case ApprovalAnswered():
            return Happening("A person decided", event.verdict, event.answer, "/approvals")
        case VariantDecided():
            return Happening(f"Variant {event.variant[:10]}", event.status, event.reason, run)
        case VariantPromoted():
            return Happening(f"Variant {event.variant[:10]} is active (by {event.by})", "", event.reason, run)
        case EvolutionFrozen():
            return Happening("Evolution stopped itself", "down", event.reason, run)
        case DaemonChanged():
            return Happening(f"The daemon: {event.what}", "", event.reason, "")
        case _:
            own = event.model_dump(mode="json", exclude={"kind", "key", "run_id", "at"})
            said = ", ".join(f"{name}: {value}" for name, value in own.items() if value not in ("", None, {}))
            return Happening(event.kind, "", said, run)
