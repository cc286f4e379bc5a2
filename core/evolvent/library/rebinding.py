"""When a skill changes or goes, those that rest on it pass their tests again or are not offered any more."""

from __future__ import annotations

from collections.abc import Iterator

from evolvent.errors import IntegrityError
from evolvent.library.composition import (
    REQUIRES_KEY,
    bundle,
    dependents,
    parts_of,
    required_modules,
    requires,
    vendored,
)
from evolvent.library.judging import TRIAL_LIMITS, clipped
from evolvent.library.retest import accepts
from evolvent.library.script import without_main
from evolvent.library.store import SkillStore
from evolvent.protocols import FunctionServer
from evolvent.types import Frozen, JsonValue, Skill, SkillState

__all__ = ["Retest", "retest_dependents"]


class Retest(Frozen):
    """What became of a skill whose support changed."""

    name: str
    passed: bool
    reason: str
    failing: tuple[JsonValue, ...] = ()


def retest_dependents(store: SkillStore, functions: FunctionServer, name: str) -> list[Retest]:
    """Test all skills that rest on a skill with its present version, those that call it themselves first.

    One that passes is bound to the present version; one that does not becomes stale.

    Raises:
        SandboxLost: the sandbox itself failed; those that were tested before keep their outcome.
    """
    return list(_retest(store, functions, name))


def _retest(store: SkillStore, functions: FunctionServer, name: str) -> Iterator[Retest]:
    for skill in dependents(store, name):
        outcome = _test(store, functions, skill)
        if not outcome.passed and skill.state.usable:
            evidence: dict[str, JsonValue] = {"rests_on": name, "failing": list(outcome.failing)}
            store.move(skill.name, SkillState.STALE, outcome.reason, "audit", evidence)
        yield outcome


def _test(store: SkillStore, functions: FunctionServer, skill: Skill) -> Retest:
    script = without_main(skill.script or "")
    try:
        parts = parts_of(store, skill.name, script)
    except IntegrityError as error:
        return Retest(name=skill.name, passed=False, reason=str(error))
    calls = [[case.question] for case in skill.cases]
    results = functions.call_function(bundle(script, parts), "solve", calls, TRIAL_LIMITS) if calls else []
    failing: list[JsonValue] = [
        {"question": case.question[:500], "expected": clipped(case.expected), "got": clipped(result.value)}
        for case, result in zip(skill.cases, results, strict=True)
        if not result.ok or not accepts(case, result.value)
    ]
    changed = ", ".join(sorted(part.pin for part in parts))
    if failing:
        reason = f"{len(failing)} of {len(skill.cases)} tests fail with {changed}"
        return Retest(name=skill.name, passed=False, reason=reason, failing=tuple(failing[:5]))
    direct = {module.replace("_", "-") for module in required_modules(script)}
    pins = " ".join(sorted(part.pin for part in parts if part.name in direct))
    if pins != " ".join(sorted(f"{name}@{version}" for name, version in requires(skill).items())):
        store.note(skill.name, {REQUIRES_KEY: pins}, vendored(parts))
    return Retest(name=skill.name, passed=True, reason=f"passes its {len(skill.cases)} tests with {changed}")
