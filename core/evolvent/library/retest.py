"""A skill's own tests, run again."""

from __future__ import annotations

from collections.abc import Sequence

from evolvent.errors import IntegrityError
from evolvent.library.composition import runnable
from evolvent.library.judging import TRIAL_LIMITS, clipped
from evolvent.library.store import SkillStore
from evolvent.protocols import FunctionServer
from evolvent.types import Frozen, JsonValue, Skill, SkillCase, SkillState, canonical_json

__all__ = ["CaseOutcome", "accepts", "retest", "settle"]


class CaseOutcome(Frozen):
    """One question of the tests, and what the script makes of it now."""

    question: str
    expected: JsonValue
    got: JsonValue
    passed: bool
    error: str = ""


def retest(store: SkillStore, skill: Skill, functions: FunctionServer) -> list[CaseOutcome]:
    """Run a skill's script on the questions of its tests; without a script or tests there are no outcomes.

    A skill that cannot be run, because one that it calls is not there as it was, fails them all.

    Raises:
        SandboxLost: the sandbox itself failed.
    """
    if skill.script is None or not skill.cases:
        return []
    try:
        source = runnable(store, skill)
    except IntegrityError as error:
        return [
            CaseOutcome(question=c.question, expected=c.expected, got=None, passed=False, error=str(error))
            for c in skill.cases
        ]
    questions = [[case.question] for case in skill.cases]
    results = functions.call_function(source, "solve", questions, TRIAL_LIMITS)
    return [
        CaseOutcome(
            question=case.question,
            expected=case.expected,
            got=clipped(result.value),
            passed=result.ok and accepts(case, result.value),
            error="" if result.ok else result.error or result.outcome,
        )
        for case, result in zip(skill.cases, results, strict=True)
    ]


def settle(store: SkillStore, skill: Skill, outcomes: Sequence[CaseOutcome]) -> Skill | None:
    """Move a skill by its tests: one in use that fails becomes stale, a stale one that passes gets its old state back.

    Returns:
        The skill as it then is; None: it stays as it was.
    """
    if not outcomes:
        return None
    failed = [outcome for outcome in outcomes if not outcome.passed]
    evidence: dict[str, JsonValue] = {"cases": len(outcomes), "failed": len(failed)}
    if failed and skill.state.usable:
        evidence["failing"] = [outcome.model_dump(mode="json") for outcome in failed[:3]]
        reason = f"fails {len(failed)} of its {len(outcomes)} tests"
        return store.move(skill.name, SkillState.STALE, reason, "audit", evidence)
    if not failed and skill.state is SkillState.STALE:
        before = store.moves(skill.name)[-1].before
        after = before if before.usable else SkillState.PROBATION
        return store.move(skill.name, after, f"passes its {len(outcomes)} tests again", "audit", evidence)
    return None


def accepts(case: SkillCase, value: JsonValue) -> bool:
    """Whether a case is passed: by the expected value, or the very one that was judged right at admission."""
    if value is None:
        return False
    accepted = [case.expected] if case.answer is None else [case.expected, case.answer]
    return any(canonical_json(value) == canonical_json(one) or str(value) == str(one) for one in accepted)
