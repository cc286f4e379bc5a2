"""What every suite must do; plugin authors call `check_suite` in their tests."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable

from evolvent.errors import UnknownName
from evolvent.protocols import Suite
from evolvent.types import Split

__all__ = ["check_suite"]


def check_suite(make: Callable[[], Suite], tasks_each: int = 5) -> None:
    """Check a suite against its contract.

    It has families and splits; tasks come in the same order every time, also from a suite made anew; they name
    their suite, family, split and evaluator; ids are unique, and no prompt (with its inputs) is in two
    splits; all of it is JSON; the digest is stable; an unknown family is an `UnknownName`.

    Args:
        make: makes the suite; called twice.
        tasks_each: tasks to take of each split and family.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    suite, twin = make(), make()
    assert suite.name, "the suite has no name"
    assert suite.families, f"the suite {suite.name!r} has no families"
    assert len(set(suite.families)) == len(suite.families), "a family is named twice"
    assert suite.digest() == twin.digest(), "the digest changes from one suite to its twin"
    ids: set[str] = set()
    contents: dict[str, Split] = {}
    for family, split in itertools.product(suite.families, Split):
        tasks = list(itertools.islice(suite.tasks(split, family), tasks_each))
        where = f"{suite.name} {family} {split.value}"
        assert tasks == list(itertools.islice(twin.tasks(split, family), tasks_each)), (
            f"{where}: order changes"
        )
        for task in tasks:
            assert (task.suite, task.family, task.split) == (suite.name, family, split), f"{where}: {task!r}"
            assert task.evaluator, f"{where}: the task {task.id!r} names no evaluator"
            assert task.id not in ids, f"{where}: the id {task.id!r} occurs twice"
            ids.add(task.id)
            content = json.dumps([task.prompt, task.inputs], sort_keys=True)
            other = contents.setdefault(content, split)
            assert other is split, (
                f"{where}: a task of {other.value} is also in {split.value}: {task.prompt!r}"
            )
            task.model_dump_json()
    try:
        next(iter(suite.tasks(Split.TRAIN, "no-such-family-anywhere")))
    except UnknownName:
        return
    raise AssertionError("a family that does not exist raises no UnknownName")
