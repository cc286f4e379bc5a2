"""Nine budgets: per generation, run and day, in tokens, dollars and seconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evolution.world import ASKING, Step, World, archive_of, context_of, program, run
from typer.testing import CliRunner

from evolvent import Runtime
from evolvent.cli import app
from evolvent.graphs.purse import OutOfBudget, Purse
from evolvent.hookspecs import hookimpl
from evolvent.storage import Ledger, Runs, open_database
from evolvent.storage.archive import ArchiveTables
from evolvent.types import Evaluation, EvolveOptions, NodeFinished, Spent, Split, Usage

Open = Callable[..., Runtime]
Options = Callable[..., EvolveOptions]

USED = {"tokens": Usage(input_tokens=60, output_tokens=40), "dollars": Usage(dollars=2.5), "seconds": Usage()}
LIMITS = {"tokens": 100, "dollars": 2.5, "seconds": 30}
PER = {"run": "max", "day": "day", "generation": "generation"}


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.began = datetime(2026, 3, 1, 23, 0, tzinfo=UTC)

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self.began + timedelta(seconds=self.seconds)


@pytest.fixture
def tables(tmp_path: Path) -> ArchiveTables:
    return ArchiveTables(open_database(tmp_path / "e.db"))


def purse(tables: ArchiveTables, clock: Clock, **options: Any) -> Purse:
    return Purse(tables, "evolve-1", EvolveOptions(**options), clock=clock, now=clock.now)


@pytest.mark.parametrize("what", USED)
@pytest.mark.parametrize("per", PER)
def test_each_budget_is_kept(per: str, what: str, tables: ArchiveTables) -> None:
    clock = Clock()
    bounded = purse(tables, clock, **{f"{PER[per]}_{what}": LIMITS[what]})
    bounded.begin_generation()
    bounded.check()
    clock.seconds = 29.9
    bounded.check()
    bounded.spend(USED[what])
    clock.seconds = 30 if what == "seconds" else 29.9
    with pytest.raises(OutOfBudget, match=f"the {what} of the {per} are spent: ") as caught:
        bounded.check()
    spent = caught.value.spent
    assert (spent.per, spent.what, spent.used, spent.limit) == (per, what, LIMITS[what], LIMITS[what])
    assert caught.value.ends_the_run == (per != "generation")
    bounded.begin_generation()
    assert (bounded.empty_now() is None) == (per == "generation"), (
        "the next generation has a budget of its own"
    )


def test_a_new_day_has_a_budget_of_its_own(tables: ArchiveTables) -> None:
    clock = Clock()
    bounded = purse(tables, clock, day_seconds=3_700, day_tokens=50, day_dollars=1)
    bounded.spend(Usage(input_tokens=50, dollars=1))
    clock.seconds = 3_599
    assert bounded.empty() is not None
    clock.seconds = 3_601  # one second after midnight
    assert bounded.empty() is None
    clock.seconds = 3_600 + 3_700
    found = bounded.empty()
    assert found is not None
    assert (found.what, found.per) == ("seconds", "day")


def test_what_earlier_processes_and_runs_used_counts(tables: ArchiveTables) -> None:
    now = datetime.now(UTC)
    clock = Clock()
    clock.began = now
    Runs(tables.engine).start("evolve-1", "evolve", "", {})
    Runs(tables.engine).start("evolve-0", "evolve", "", {})
    Runs(tables.engine).start("solve-1", "solve", "", {})
    for number, run_id in enumerate(("evolve-1", "evolve-0", "solve-1", "evolve-0")):
        event = NodeFinished(key=f"n{number}", run_id=run_id, node="measure", seconds=10 + number)
        if number == 3:
            event = event.model_copy(update={"at": now - timedelta(days=1)})
        Ledger(tables.engine).append(event)
    tables.add_evaluations("c", "evolve-0", [_evaluation(Usage(input_tokens=7, dollars=0.5))])
    assert tables.worked("evolve-1") == 10
    assert tables.worked(since=now.date().isoformat()) == 21, "neither solving, nor yesterday"
    fresh = purse(tables, clock, day_tokens=7)
    assert fresh.empty() == Spent(per="day", what="tokens", used=7, limit=7)
    assert purse(tables, clock, max_seconds=10).empty() == Spent(per="run", what="seconds", used=10, limit=10)
    assert purse(tables, clock, day_seconds=21).empty() is not None
    assert purse(tables, clock, day_seconds=22, max_tokens=1, day_dollars=0.6).empty() is None


@settings(deadline=None, max_examples=30)  # each makes a database
@given(st.lists(st.integers(0, 50), max_size=8), st.lists(st.integers(0, 50), max_size=8))
def test_a_generation_that_another_process_began_is_counted_on(first: list[int], second: list[int]) -> None:
    tables = ArchiveTables(open_database(Path(":memory:")))
    clock = Clock()
    began = purse(tables, clock)
    began.spend(Usage(input_tokens=5))
    mark = began.begin_generation()
    stored, unstored = Usage(input_tokens=sum(first)), Usage(output_tokens=sum(second))
    limit = max(1, stored.tokens + unstored.tokens)
    tables.add_evaluations("c", "evolve-1", [_evaluation(Usage(input_tokens=5 + stored.tokens))])
    after = purse(tables, clock, generation_tokens=limit)
    assert not after.took_up
    after.take_up(mark, unstored)
    found = after.empty_now()
    assert (found is not None) == (stored.tokens + unstored.tokens >= limit)
    tables.engine.dispose()


def _evaluation(usage: Usage) -> Evaluation:
    return Evaluation(
        variant="a" * 40, split=Split.TRAIN, task_id="t", score=1, passed=True, status="solved", usage=usage
    )


def content(runtime: Runtime) -> Any:
    tables = runtime.evolution.tables
    return (
        [(v.id, v.score, v.trials, v.viable) for v in archive_of(runtime).variants()],
        [(c.status, c.stage, c.reason, c.variant) for c in tables.candidates()],
        sorted((e.variant, e.split, e.task_id, e.score) for e in tables.evaluations(context_of(runtime))),
        [(g.number, g.variant, g.accepted) for g in tables.gates()],
        runtime.evolution.genomes.active(),
    )


def test_a_run_that_gets_more_and_more_makes_the_archive_of_one_that_gets_all(
    open_world: Open, options: Options, tmp_path: Path
) -> None:
    asked = options(
        files={**program(3), "task_agent.py": ASKING}, generations=2, gate=6, operators=("remark", "step")
    )
    whole = open_world(home=tmp_path / "whole")
    report, _ = run(whole, asked)
    assert report.status == "finished"
    expected, used = content(whole), report.usage.tokens
    runtime = open_world(home=tmp_path / "bit by bit")
    runs, allowed, ends = set(), 0, []
    while not ends or ends[-1] == "budget":
        allowed += max(1, used // 7)
        report, _ = run(runtime, asked.model_copy(update={"max_tokens": allowed}))
        runs.add(report.run_id)
        ends.append(report.status)
        if report.status == "budget":
            assert report.budget is not None
            assert (report.budget.per, report.budget.what) == ("run", "tokens")
            assert report.detail == str(report.budget)
            assert report.usage.tokens < allowed + used / 20, "looked at before every attempt"
    assert (len(runs), ends[-1]) == (1, "finished")
    assert len(ends) >= 5
    assert content(runtime) == expected
    assert report.usage.tokens == used


@pytest.mark.parametrize("kind", ["tokens", "seconds"])
def test_a_spent_generation_fails_the_rest_and_the_next_goes_on(
    kind: str, open_world: Open, options: Options
) -> None:
    limit = {"generation_tokens": 8} if kind == "tokens" else {"generation_seconds": 0.000_001}
    runtime = open_world()
    asked = options(files={**program(3), "task_agent.py": ASKING}, generations=2, **limit)
    report, heard = run(runtime, asked)
    assert (report.status, report.generations) == ("finished", 2)
    assert {c.status for c in heard} == {"failed"}
    assert all(f"the {kind} of the generation are spent" in c.reason for c in heard)
    if kind == "tokens":
        used = [e.usage.tokens for c in heard if c.variant
                for e in runtime.evolution.tables.evaluations(context_of(runtime), variant=c.variant)]  # fmt: skip
        assert used, "it had some, and used it"


def test_dollars_of_the_day_end_a_run(open_world: Open, options: Options) -> None:
    class Dear(World):
        @hookimpl
        def price_call(self, model: str, usage: Usage) -> float:
            return 0.25

    runtime = open_world(world=Dear(step=Step((1,))))
    asked = options(files={**program(3), "task_agent.py": ASKING}, generations=3, day_dollars=2)
    report, _ = run(runtime, asked)
    assert report.status == "budget", report
    assert report.detail == "the dollars of the day are spent: 2 of 2"
    assert report.usage.dollars == 2


BUDGETS = [f"--{per}-{what}" for per in PER.values() for what in USED]


@pytest.mark.parametrize("flag", BUDGETS)
def test_a_budget_of_nothing_is_an_error(flag: str) -> None:
    done = CliRunner().invoke(app, ["evolve", "reasoning-gym:gcd", flag, "0"])
    assert done.exit_code == 2
    assert f"{flag} 0 allows nothing at all; give it more than 0" in done.output.replace("\n", " ")
