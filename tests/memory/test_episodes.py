"""Episodes: whole, compressed, bounded, written once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select, update

from evolvent import Runtime, Task
from evolvent.errors import IntegrityError, UnknownName
from evolvent.memory import Episodes
from evolvent.memory.episodes import MAX_EPISODE, MAX_VALUE, bounded, content_digest
from evolvent.storage import Runs, open_database
from evolvent.storage.tables import EpisodeRow
from evolvent.types import Attempt, Exchange, JsonValue, TaskView, Usage, canonical_json

Open = Callable[..., Runtime]


def attempt(**changes: object) -> Attempt:
    task = TaskView(id="t-1", prompt="What is 6*7?")
    return Attempt.model_validate(
        {"id": "r-1#1", "run_id": "r-1", "task": task, "number": 1, "status": "answered", **changes}
    )


def exchange(sequence: int = 1, result: JsonValue = "42", **changes: object) -> Exchange:
    return Exchange.model_validate(
        {"session_id": "r-1#1", "sequence": sequence, "method": "tools.call", "params": {}, "result": result}
        | changes
    )


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    opened = open_database(tmp_path / "evolvent.db")
    Runs(opened).start("r-1", "solve", "t", {})
    return opened


def kept(engine: Engine, *exchanges: Exchange, **changes: object) -> Episodes:
    episodes = Episodes(engine)
    with engine.begin() as transaction:
        episodes.keep(attempt(**changes), exchanges, transaction)
    return episodes


def test_a_solve_leaves_every_exchange_in_full(open_runtime: Open) -> None:
    runtime = open_runtime(["x" * 5000, "42"])
    result = runtime.solve(Task(prompt="What is 6*7?", evaluator="exact", reference="42"))
    first, second = (runtime.memory.episodes.get(a.id) for a in result.attempts)
    (asked,) = [e for e in first.exchanges if e.method == "model.complete"]
    assert "What is 6*7?" in str(asked.params["messages"])
    assert isinstance(asked.result, dict)
    assert asked.result["text"] == "x" * 5000
    assert second.attempt == result.attempts[1]
    assert second.attempt.verdict is not None
    assert [e.method for e in second.exchanges] == [s.method for s in result.attempts[1].trajectory]
    assert runtime.memory.episodes.of_run(result.run_id) == [a.id for a in result.attempts]


def test_an_episode_is_written_once_and_is_small(engine: Engine) -> None:
    kept(engine, exchange(result="abc " * 10_000))
    again = kept(engine, exchange(result="another"))
    assert again.get("r-1#1").exchanges[0].result == "abc " * 10_000
    with engine.connect() as connection:
        (row,) = connection.execute(select(EpisodeRow.size, func.length(EpisodeRow.data)))
    assert row[0] > 40_000
    assert row[1] < 1_000


def test_a_value_that_is_too_long_is_cut_and_said(engine: Engine) -> None:
    episode = kept(engine, exchange(result="y" * (MAX_VALUE + 1)), exchange(2)).get("r-1#1")
    stub = episode.exchanges[0].result
    assert isinstance(stub, dict)
    assert stub["characters"] == MAX_VALUE + 3
    assert str(stub["beginning"]).startswith('"yyy')
    assert episode.exchanges[1].result == "42"
    assert episode.cut == (f"result of r-1#1 1 (tools.call): {MAX_VALUE + 3} characters",)


def test_many_long_values_are_cut_until_the_whole_fits() -> None:
    many = [exchange(n, result="z" * (MAX_VALUE - 100 * n)) for n in range(1, 31)]
    episode = bounded(attempt(), many)
    size = sum(len(canonical_json(e.result)) for e in episode.exchanges)
    assert size <= MAX_EPISODE
    assert 0 < len(episode.cut) < 30, "no more than needed is cut"
    assert episode == bounded(attempt(), many)


def test_a_damaged_episode_is_named(engine: Engine) -> None:
    episodes = kept(engine, exchange())
    with engine.begin() as connection:
        connection.execute(update(EpisodeRow).values(digest="0" * 64))
    with pytest.raises(IntegrityError, match="'r-1#1' is not what was written"):
        episodes.get("r-1#1")
    with engine.begin() as connection:
        connection.execute(update(EpisodeRow).values(data=b"junk"))
    with pytest.raises(IntegrityError, match="cannot be read"):
        episodes.get("r-1#1")
    with pytest.raises(UnknownName, match="r-1#1"):
        episodes.get("r-1#2")


def test_an_attempt_without_its_episode_is_never_kept(engine: Engine) -> None:
    runs = Runs(engine)
    with pytest.raises(RuntimeError), engine.begin() as transaction:  # noqa: PT012
        runs.keep_attempt(attempt(), transaction)
        raise RuntimeError("the process ends here")
    assert runs.attempts("r-1") == []


@given(st.floats(0, 100), st.floats(0, 100))
def test_durations_do_not_change_the_hash(first: float, second: float) -> None:
    def hashed(seconds: float) -> str:
        usage = Usage(seconds=seconds, input_tokens=3)
        return content_digest(bounded(attempt(usage=usage), [exchange(usage=usage)]))

    assert hashed(first) == hashed(second)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(json_values, max_size=6))
def test_small_values_are_kept_as_they_are(values: list[JsonValue]) -> None:
    episode = bounded(attempt(), [exchange(n, result=v) for n, v in enumerate(values, 1)])
    assert [e.result for e in episode.exchanges] == values
    assert episode.cut == ()
