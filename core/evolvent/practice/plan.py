"""Which tasks a learning job uses for what."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from pydantic import Field

from evolvent.errors import UsageError
from evolvent.graphs import Material
from evolvent.library import telling_tasks
from evolvent.protocols import Suite
from evolvent.types import Frozen, Split, Task

__all__ = ["FamilyPlan", "LearnOptions", "plan_families"]

MIN_CASES = 8
"""Judged cases below which admission refuses; they come before studied examples."""
CHOICE = 8
"""Train tasks from which each case is chosen, where there are so many."""


class LearnOptions(Frozen):
    """The knobs of a learning job."""

    seed: int = Field(default=0, ge=0)
    """Same seed, same model and empty home: same library and same numbers."""
    held_out: int = Field(default=8, ge=1, le=1000)
    """Sealed tasks a family, measured before and after."""
    practise: int = Field(default=2, ge=1, le=100)
    """Train tasks a family that are tried before a skill is asked for."""
    study: int = Field(default=8, ge=0, le=100)
    """Further train tasks whose answers the meta agent sees."""
    cases: int = Field(default=24, ge=MIN_CASES, le=500)
    """Further train tasks that decide on admission: half as they come, half the most extreme of eight times as many."""
    trials: int = Field(default=10, ge=0, le=500)
    """Further train tasks that are solved with or without an admitted skill, as drawn, until it is clear whether it
    helps; none: it stays on probation."""


class FamilyPlan(Frozen):
    """The tasks of one family, by use; no task has two uses."""

    family: str
    held_out: tuple[Task, ...]
    practise: tuple[Task, ...]
    material: Material
    trials: tuple[Task, ...] = ()


def plan_families(suite: Suite, options: LearnOptions) -> list[FamilyPlan]:
    """Deal the tasks of a suite out.

    Raises:
        UsageError: a family has no task to practise on, or none to measure with.
    """
    plans = [_plan(suite, family, options) for family in suite.families]
    probes = {p.family: [t.prompt for t in p.practise[:2]] for p in plans}
    return [p.model_copy(update={"material": _with_foreign(p, probes)}) for p in plans]


def _plan(suite: Suite, family: str, options: LearnOptions) -> FamilyPlan:
    wanted = options.practise + options.study + CHOICE * options.cases + options.trials
    train = _take(suite.tasks(Split.TRAIN, family), wanted)
    held_out = _take(suite.tasks(Split.SEALED, family), options.held_out)
    if not train or not held_out:
        missing = "train" if not train else "sealed"
        raise UsageError(
            f"family {family!r} of {suite.name!r} has no {missing} tasks; learning needs both train and sealed ones"
        )
    practise = train[: options.practise]
    rest = train[options.practise :]
    studied = rest[: max(0, min(options.study, len(rest) - MIN_CASES))]
    pool = rest[len(studied) :]
    cases = telling_tasks(pool[: CHOICE * options.cases], options.cases)
    chosen = {task.id for task in cases}
    left = tuple(task for task in pool if task.id not in chosen)
    return FamilyPlan(
        family=family,
        held_out=held_out,
        practise=practise,
        material=Material(studied=studied, cases=cases),
        trials=left[max(0, len(left) - options.trials) :],
    )


def _with_foreign(plan: FamilyPlan, probes: dict[str, list[str]]) -> Material:
    own = {task.prompt for task in (*plan.practise, *plan.material.studied, *plan.material.cases)}
    foreign = [prompt for family, prompts in probes.items() if family != plan.family for prompt in prompts]
    return plan.material.model_copy(update={"foreign": tuple(p for p in foreign if p not in own)})


def _take(tasks: Iterable[Task], count: int) -> tuple[Task, ...]:
    return tuple(islice(tasks, count))
