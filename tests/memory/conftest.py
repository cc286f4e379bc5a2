"""A memory with a real database, a real index and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from evolvent.memory import Lessons, LessonStore, Times
from evolvent.search import VectorIndex
from evolvent.storage import Ledger, open_database
from evolvent.testing.embedder_conformance import WordEmbeddings
from evolvent.types import Attempt, Exchange, JsonValue, Lesson, Provenance, TaskView, Verdict


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database(tmp_path / "evolvent.db")
    yield opened
    opened.dispose()


@pytest.fixture
def store(engine: Engine, clock: Clock) -> LessonStore:
    return LessonStore(engine, Ledger(engine), clock)


@pytest.fixture
def lessons(store: LessonStore, tmp_path: Path) -> Iterator[Lessons]:
    index = VectorIndex(tmp_path / "chroma", "lessons", WordEmbeddings, "words")
    yield Lessons(store, index, times=Times(claim=60.0, claim_max=300.0, unproven=1000.0))
    index.close()


Learn = Callable[..., Lesson]


@pytest.fixture
def learn(lessons: Lessons) -> Learn:
    """Keep a lesson of a run and a task of its own."""
    numbers = iter(range(1, 1000))

    def learn_(text: str, situation: str = "Sort these words", **given: object) -> Lesson:
        n = next(numbers)
        provenance = Provenance(task_ids=(f"t-{n}",), run_ids=(f"r-{n}",), judged=True, evaluator="exact")
        return lessons.keep(
            text,
            situation,
            [f"r-{n}#1"],
            f"r-{n}",
            **{"provenance": provenance, **given},  # type: ignore[arg-type]
        )

    return learn_


def attempt(run_id: str = "r-x", *, passed: bool | None = True, number: int = 1) -> Attempt:
    """Return a judged attempt; `passed=None`: nobody can judge it."""
    verdict = None if passed is None else Verdict(score=float(passed), passed=passed, expected="42")
    return Attempt(
        id=f"{run_id}#{number}",
        run_id=run_id,
        task=TaskView(id="t-x", prompt="What is 6*7?"),
        number=number,
        status="answered",
        verdict=verdict,
    )


def exchange(
    method: str, result: JsonValue = None, error: str | None = None, **params: JsonValue
) -> Exchange:
    return Exchange(session_id="r-x#1", sequence=1, method=method, params=params, result=result, error=error)


def recalled(*found: Lesson) -> Exchange:
    return exchange("memory.search", [{"text": k.text, "situation": k.situation} for k in found], query="q")
