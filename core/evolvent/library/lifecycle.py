"""The states of a skill and the moves between them.

    candidate → probation → active ⇄ stale
        ↓           ↓          ↓       ↓
    rejected     retired ←─────┴───────┘         quarantined: from anywhere

Every move is written into the folder of the skill with its evidence, and told to the ledger. Nothing is deleted.
Only a person moves a skill out of quarantine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from evolvent.errors import UsageError
from evolvent.storage import Ledger
from evolvent.types import Mover, Skill, SkillMove, SkillMoved, SkillState

__all__ = ["MOVES", "MoveListener", "check_move", "into", "move_key"]

MoveListener = Callable[[Skill, SkillMove, int], None]
"""Hears of a move after it is written: the skill as it now is, the move, and its number in this version's life."""

_S = SkillState
MOVES: Mapping[SkillState, frozenset[SkillState]] = {
    _S.CANDIDATE: frozenset({_S.PROBATION, _S.REJECTED, _S.QUARANTINED}),
    _S.PROBATION: frozenset({_S.ACTIVE, _S.STALE, _S.RETIRED, _S.QUARANTINED}),
    _S.ACTIVE: frozenset({_S.STALE, _S.RETIRED, _S.QUARANTINED}),
    _S.STALE: frozenset({_S.PROBATION, _S.ACTIVE, _S.RETIRED, _S.QUARANTINED}),
    _S.RETIRED: frozenset({_S.PROBATION, _S.QUARANTINED}),
    _S.QUARANTINED: frozenset({_S.PROBATION, _S.RETIRED}),
    _S.REJECTED: frozenset({_S.CANDIDATE, _S.QUARANTINED}),
}
"""Where a skill may go from each state."""


def check_move(name: str, before: SkillState, after: SkillState, reason: str, by: Mover = "person") -> None:
    """Check that a skill may move, and that somebody said why.

    Raises:
        UsageError: it may not; names the states that are allowed, or who may.
    """
    if after not in MOVES[before]:
        allowed = ", ".join(sorted(MOVES[before]))
        raise UsageError(f"{name!r} is {before.value} and cannot become {after.value}; allowed: {allowed}")
    if before is _S.QUARANTINED and by != "person":
        raise UsageError(
            f"{name!r} is quarantined; only a person releases it: evolvent skills release {name}"
        )
    if not reason.strip():
        raise UsageError(
            f"moving {name!r} to {after.value} needs a reason, for example 'wrong on negative numbers'"
        )


def move_key(skill: Skill, move: SkillMove, number: int) -> str:
    """Return the ledger's key of a move; a version that is admitted anew counts anew, so the time is part of it."""
    return f"skill-moved:{skill.name}:{skill.digest}:{number}:{move.at:%Y%m%dT%H%M%S%f}"


def into(ledger: Ledger) -> MoveListener:
    """Return a listener that writes moves into a ledger; a move that is there already is not written again."""

    def tell(skill: Skill, move: SkillMove, number: int) -> None:
        told = move.model_dump(include={"at", "before", "after", "by", "reason", "evidence"})
        key = move_key(skill, move, number)
        ledger.append(SkillMoved(key=key, name=skill.name, digest=skill.digest, **told))

    return tell
