"""A run of a million generations, as a daemon's is: one costs the same however many there may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from tests.evolution.world import Step, World

from evolvent import Runtime
from evolvent.practice import EvolveJob
from evolvent.types import EvolveOptions


def test_a_generation_asks_the_database_as_often_whatever_is_to_come(
    open_world: Callable[..., Runtime], options: Callable[..., EvolveOptions]
) -> None:
    runtime = open_world(world=World(step=Step((1,))))
    statements: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        statements.append(statement)

    event.listen(runtime.evolution.tables.engine, "before_cursor_execute", hear)
    counts = []
    for generations in (3, 1_000):
        job = EvolveJob(runtime, "sums", options(level=3, generations=generations), fresh=True)
        del statements[:]
        report = job.run(at_most=1)
        assert (report.status, report.generations) == ("paused", 1)
        counts.append(len(statements))
    assert counts[1] < counts[0] + 100, counts
    again = EvolveJob(runtime, "sums", options(level=3, generations=1_000))
    assert again.resumed
    assert again.run(at_most=2).generations == 3
