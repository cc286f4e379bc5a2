"""The parts of the daemon that need no runtime: breaker, holds, budgets, settings, delays over clock jumps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from evolvent.broker import Stops
from evolvent.daemon.background import Idle, QuietHours, parse_idle, parse_quiet
from evolvent.daemon.breaker import Breaker
from evolvent.daemon.budgets import DayUsage
from evolvent.daemon.holds import Holds
from evolvent.errors import RunStopped, UnknownName, UsageError
from evolvent.settings import Settings
from evolvent.storage import JobQueue, Ledger, open_database
from evolvent.types import BrokerAnswered, DaemonWorked, JobRequest, JobState, Usage


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(tmp_path / "evolvent.db")
    yield made
    made.dispose()


class Clock:
    def __init__(self, now: float = 1e9) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_the_breaker_opens_for_longer_and_longer_and_lets_one_try() -> None:
    clock = Clock()
    breaker = Breaker(5.0, 30.0, clock)
    assert (breaker.state, breaker.admits()) == ("up", True)
    waits = []
    for _ in range(5):
        waits.append(breaker.failed())
        breaker.end("probe")
        assert not breaker.admits()
        assert breaker.failed() <= waits[-1], "a job that began before is the same failure"
        clock.now += waits[-1]
        assert breaker.admits()
        breaker.begin("probe")
        assert (breaker.state, breaker.admits()) == ("probing", False)
        breaker.end("other")
        assert not breaker.admits()
        breaker.end("probe")
        assert breaker.admits(), "a probe that did not reach the model says nothing"
        breaker.begin("probe")
    assert waits == [5.0, 10.0, 20.0, 30.0, 30.0]
    assert breaker.answered()
    assert (breaker.state, breaker.admits()) == ("up", True)
    assert not breaker.answered()
    assert breaker.failed() == 5.0


def test_holds_tell_of_the_first_and_the_last_reason() -> None:
    heard: list[str] = []
    holds = Holds(heard.append)
    assert not holds
    holds.set("disk", "full")
    holds.set("person", "maintenance")
    holds.set("disk", "")
    holds.set("disk", "")
    assert holds.why == "maintenance"
    holds.set("person", "")
    assert heard == ["full", ""]


def test_stops_reach_the_parts_of_a_run_and_nothing_else() -> None:
    stops, closed = Stops(), []
    with (
        stops.closing("r-1/2", lambda: closed.append("part")),
        stops.closing("r-10", lambda: closed.append("other")),
    ):
        stops.ask("r-1", "because")
    assert closed == ["part"]
    stops.check("r-10")
    with pytest.raises(RunStopped, match="because"):
        stops.check("r-1/2")
    with pytest.raises(RunStopped), stops.closing("r-1", lambda: None):
        raise AssertionError("a run that was asked to stop cannot begin")
    stops.withdraw("r-1")
    stops.check("r-1/2")


@given(st.text(max_size=60))
def test_any_text_for_the_settings_is_read_or_refused_in_words(text: str) -> None:
    for parse in (parse_idle, parse_quiet):
        try:
            parse(text)
        except UsageError as error:
            assert "EVOLVENT_DAEMON_" in str(error)  # noqa: PT017


def test_the_settings_of_idle_time() -> None:
    assert parse_idle("") == []
    assert parse_idle(" evolve , audit@2d,practise@90s") == [
        Idle("evolve", 0.0),
        Idle("audit", 172_800.0),
        Idle("practise", 90.0),
    ]
    for bad, says in (
        ("dance", "unknown work for idle time 'dance'"),
        ("audit@soon", "'soon'"),
        ("evolve,evolve", "twice"),
    ):
        with pytest.raises((UsageError, UnknownName), match=says):
            parse_idle(bad)


@pytest.mark.parametrize(
    ("text", "quiet", "loud"),
    [("08:00-18:00", ["08:00", "12:00", "17:59"], ["07:59", "18:00", "00:00"]),
     ("22:00-07:00", ["22:00", "23:59", "00:00", "06:59"], ["07:00", "12:00", "21:59"])],
)  # fmt: skip
def test_quiet_hours(text: str, quiet: list[str], loud: list[str]) -> None:
    hours = parse_quiet(text)
    assert isinstance(hours, QuietHours)
    assert all(hours.holds(time.fromisoformat(at)) for at in quiet)
    assert not any(hours.holds(time.fromisoformat(at)) for at in loud)


@pytest.mark.parametrize("bad", ["8-18", "25:00-07:00", "08:00-08:00", "08:00", "x"])
def test_quiet_hours_that_are_none(bad: str) -> None:
    with pytest.raises(UsageError, match="write two different times"):
        parse_quiet(bad)


def test_budgets_of_a_day_survive_restarts_and_end_at_midnight(engine: Engine, tmp_path: Path) -> None:
    ledger = Ledger(engine)
    settings = Settings(home=tmp_path, daemon_day_tokens=100, daemon_day_dollars=1.0)
    now = [datetime.now(UTC)]
    numbers = itertools.count()

    def answered(tokens: int, dollars: float, at: datetime) -> BrokerAnswered:
        usage = Usage(input_tokens=tokens, dollars=dollars)
        key = f"b{next(numbers)}"
        return BrokerAnswered(key=key, at=at, attempt_id="r#1", method="model.complete", ok=True, usage=usage)

    ledger.append(answered(1_000, 5.0, now[0] - timedelta(days=1)))
    ledger.append(answered(40, 0.25, now[0]))
    ledger.append(DaemonWorked(key="w", cpu_seconds=12.0))
    usage = DayUsage(engine, ledger, settings, lambda: now[0])
    ledger.listen(usage.hear)
    by_name = {budget.name: budget for budget in usage.budgets()}
    assert (by_name["tokens"].used, by_name["dollars"].used) == (40, 0.25)
    assert by_name["cpu_seconds"].used >= 12.0
    assert usage.spent() == ""
    ledger.append(answered(60, 0.0, now[0]))
    assert usage.spent() == "the tokens of the day are spent: 100 of 100 (until midnight UTC)"
    usage.write(all_=True)
    again = DayUsage(engine, ledger, settings, lambda: now[0])
    assert again.spent() == usage.spent()
    assert {b.name: b.used for b in again.budgets()}["cpu_seconds"] >= 12.0
    now[0] += timedelta(days=1)
    assert usage.spent() == ""
    assert [b.used for b in usage.budgets()][:2] == [0, 0]


def test_a_clock_jump_makes_no_job_wait_longer_or_shorter(engine: Engine) -> None:
    clock = Clock()
    queue = JobQueue(engine, Ledger(engine), clock)
    job, _ = queue.submit(JobRequest())
    leased = queue.lease("w")
    assert leased is not None
    queue.give_back(job.id, "w", "down", seconds=60)
    clock.now -= 100_000
    queue.shift(-100_000)
    assert queue.next_at() == clock.now + 60
    clock.now -= 1_000_000  # nobody saw this one: it came while no daemon ran
    queue.shift(0)
    assert queue.next_at() == clock.now + 3_600
    clock.now += 3_600
    assert queue.waits(-101)
    assert not queue.waits(0)
    assert not queue.waits(-101, ["evolve"])
    assert queue.get(job.id).state == JobState.QUEUED
