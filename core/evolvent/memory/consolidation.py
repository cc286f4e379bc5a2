"""Consolidation: merge what says the same, let go of what does not help; nothing is deleted.

A pass is a plan, made from the lessons and the time alone, and its steps, one transaction each. A process that dies
between two steps leaves a memory from which the next pass plans what is left; a second pass finds nothing to do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from evolvent.memory.lessons import ALIKE, ENOUGH_USES
from evolvent.memory.likeness import pairs_alike, resemblance
from evolvent.memory.store import LessonStore, Writing
from evolvent.types import Frozen, JsonValue, Lesson, LessonState, Provenance

__all__ = ["ConsolidationPolicy", "ConsolidationStep", "consolidate", "plan"]


@dataclass(frozen=True)
class ConsolidationPolicy:
    """When lessons merge and when they go."""

    alike: float = ALIKE
    """Jaccard index of two texts' shingles from which on they say the same; examples must be equal."""
    near: float = 0.5
    """The same of their situations: a lesson must still be found where the other one was."""
    forget_uses: int = 8
    """Judged uses after which a lesson can be forgotten for its utility."""
    forget_utility: float = 0.2
    """Utility up to which it is: one success in eight uses."""
    unused_days: float = 90.0
    """Days after which a lesson that was never given to a judged attempt is forgotten."""
    claim_grace_seconds: float = 7 * 86_400.0
    """How long an outdated claim waits for an attempt that probes it."""


class ConsolidationStep(Frozen):
    """One thing that a pass does."""

    action: Literal["merge", "expire", "forget"]
    lesson_id: str
    into: str = ""
    """The lesson that takes its place, where they merge."""
    reason: str


def plan(
    lessons: Sequence[Lesson], now: datetime, policy: ConsolidationPolicy | None = None
) -> list[ConsolidationStep]:
    """Return what a pass would do, in a fixed order; a pure function."""
    policy = policy or ConsolidationPolicy()
    steps = [step for lesson in lessons if (step := _leaves(lesson, now, policy)) is not None]
    leaving = {step.lesson_id for step in steps}
    steps += _merges(
        [
            k
            for k in lessons
            if k.state is LessonState.ACTIVE and k.id not in leaving and k.expires_at is None
        ],
        policy,
    )
    return sorted(steps, key=lambda step: (step.action, step.lesson_id))


def consolidate(
    store: LessonStore,
    policy: ConsolidationPolicy | None = None,
    *,
    run_id: str = "",
    stop: Callable[[], bool] = lambda: False,
) -> list[ConsolidationStep]:
    """Do a pass and return its steps.

    Args:
        store: the lessons.
        policy: when lessons merge and when they go.
        run_id: the job that asks for it.
        stop: asked before each step; what is left is done by the next pass.
    """
    done: list[ConsolidationStep] = []
    for step in plan(store.all(), store.clock(), policy):
        if stop():
            break
        with store.writing() as writing:
            if _take(writing, step, run_id):
                done.append(step)
    return done


def _leaves(lesson: Lesson, now: datetime, policy: ConsolidationPolicy) -> ConsolidationStep | None:
    if lesson.state is LessonState.UNPROVEN:
        if lesson.outdated(now):
            return _step("expire", lesson, "no fresh check confirmed it in time")
        return None
    if lesson.state is not LessonState.ACTIVE:
        return None
    if lesson.expires_at is not None:
        if now >= lesson.expires_at + timedelta(seconds=policy.claim_grace_seconds):
            return _step("expire", lesson, "its time ran out and no attempt came near it")
        return None
    if lesson.uses >= policy.forget_uses and lesson.utility <= policy.forget_utility:
        passed = f"{lesson.successes} of {lesson.uses} attempts that had it passed"
        return _step("forget", lesson, f"{passed}; utility {lesson.utility:.2f}")
    if lesson.uses == 0 and now - lesson.created_at >= timedelta(days=policy.unused_days):
        return _step("forget", lesson, f"never used in {policy.unused_days:g} days")
    return None


def _step(action: Literal["expire", "forget"], lesson: Lesson, reason: str) -> ConsolidationStep:
    return ConsolidationStep(action=action, lesson_id=lesson.id, reason=reason)


def _merges(lessons: Iterable[Lesson], policy: ConsolidationPolicy) -> list[ConsolidationStep]:
    groups: dict[tuple[object, ...], dict[str, Lesson]] = defaultdict(dict)
    for lesson in lessons:
        conditions = tuple(sorted({c.strip().lower() for c in lesson.conditions}))
        groups[(lesson.kind, lesson.subject, conditions)][lesson.id] = lesson
    steps: list[ConsolidationStep] = []
    for same, group in groups.items():
        bound = 1.0 if same[0] == "example" else policy.alike
        gone = set[str]()
        pairs = [
            sorted((group[a], group[b]), key=_evidence)
            for a, b in pairs_alike({key: lesson.text for key, lesson in group.items()}, bound)
        ]
        for heir, other in sorted(pairs, key=lambda pair: (_evidence(pair[0]), _evidence(pair[1]))):
            if gone & {heir.id, other.id} or resemblance(heir.situation, other.situation) < policy.near:
                continue
            if same[0] == "example" and _plain(heir.text) != _plain(other.text):
                continue
            gone.add(other.id)
            reason = f"{heir.id} says the same with better evidence"
            steps.append(ConsolidationStep(action="merge", lesson_id=other.id, into=heir.id, reason=reason))
    return steps


def _evidence(lesson: Lesson) -> tuple[object, ...]:
    """Sort key: the better evidence first. Utility below a few uses is chance; then the older one stays."""
    telling = lesson.utility if lesson.uses >= ENOUGH_USES else 0.5
    return (-telling, -lesson.uses, bool(lesson.provenance.taint), lesson.created_at, lesson.id)


def _plain(text: str) -> str:
    return " ".join(text.split())


def _take(writing: Writing, step: ConsolidationStep, run_id: str) -> bool:
    """Take a step unless something changed since it was planned."""
    lesson = writing.find(step.lesson_id)
    if lesson is None or lesson.state not in (LessonState.ACTIVE, LessonState.UNPROVEN):
        return False
    if step.action != "merge":
        after = LessonState.EXPIRED if step.action == "expire" else LessonState.FORGOTTEN
        numbers: dict[str, JsonValue] = {"uses": lesson.uses, "successes": lesson.successes}
        writing.change(lesson, step.reason, run_id=run_id, evidence=numbers, state=after, probing="")
        return True
    heir = writing.find(step.into)
    if heir is None or heir.state is not LessonState.ACTIVE:
        return False
    writing.take_uses(heir.id, lesson.id)
    counted = writing.recounted(heir)
    writing.change(
        heir,
        f"took the place of {lesson.id}",
        run_id=run_id,
        evidence={"lesson_id": lesson.id},
        uses=counted.uses,
        successes=counted.successes,
        sources=_union(heir.sources, lesson.sources),
        supersedes=_union(heir.supersedes, (lesson.id, *lesson.supersedes)),
        provenance=_joined(heir.provenance, lesson.provenance),
    )
    writing.change(
        lesson,
        step.reason,
        run_id=run_id,
        evidence={"lesson_id": heir.id},
        state=LessonState.SUPERSEDED,
        superseded_by=heir.id,
    )
    return True


def _joined(first: Provenance, second: Provenance) -> Provenance:
    return Provenance(
        task_ids=_union(first.task_ids, second.task_ids),
        run_ids=_union(first.run_ids, second.run_ids),
        evaluator=first.evaluator or second.evaluator,
        judged=first.judged or second.judged,
        taint=first.taint,
        confirmed_by=_union(first.confirmed_by, second.confirmed_by),
    )


def _union(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))
