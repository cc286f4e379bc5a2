"""What is in use but would be refused today is taken out of use, until a person has looked at it.

A folder that was changed by hand, a tampered copy, or a scan that has learned since: whatever it was, admission would
not let it in. Only a person ends a quarantine; what that person has seen is not held against the version again.
"""

from __future__ import annotations

from evolvent.errors import IntegrityError, UsageError
from evolvent.library.static_scan import scan_script
from evolvent.library.store import SkillStore
from evolvent.scanning import scan_prose
from evolvent.types import JsonValue, Skill, SkillMove, SkillState

__all__ = ["confine", "refusals"]


def refusals(skill: Skill, texts: list[str]) -> list[str]:
    """Return why a skill would be refused by a look at its files; empty when it would not.

    Args:
        skill: as it was read.
        texts: all its files.
    """
    reasons = scan_prose(*texts)
    if skill.script is not None:
        reasons += scan_script(skill.script, calls_skills=True)
    return list(dict.fromkeys(reasons))


def confine(store: SkillStore, skill: Skill, reasons: list[str]) -> bool:
    """Put a skill that is in use into quarantine, with the reasons as evidence; returns whether it was.

    It stays in use where a person has released this very version in spite of these reasons.
    """
    if not reasons or not skill.state.usable:
        return False
    try:
        if set(reasons) <= _released(store.moves(skill.name)):
            return False
        evidence: dict[str, JsonValue] = {"reasons": list[JsonValue](reasons), "digest": skill.digest}
        store.move(skill.name, SkillState.QUARANTINED, "; ".join(reasons[:3]), "audit", evidence)
    except (IntegrityError, UsageError):  # it was changed since it was read: the audit says that already
        return False
    return True


def _released(moves: tuple[SkillMove, ...]) -> set[str]:
    """Return the reasons of quarantines that a person ended."""
    reasons: set[str] = set()
    seen: set[str] = set()
    for move in moves:
        if move.after is SkillState.QUARANTINED:
            listed = move.evidence.get("reasons")
            reasons = {str(reason) for reason in listed} if isinstance(listed, list) else set()
        elif move.before is SkillState.QUARANTINED and move.by == "person":
            seen |= reasons
    return seen
