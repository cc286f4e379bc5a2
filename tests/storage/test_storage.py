"""Database, ledger, journal, runs and the home's lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, event, text

from evolvent.errors import HomeBusy, IntegrityError, UnknownName, UsageError
from evolvent.storage import Home, Journal, Ledger, Runs, open_database
from evolvent.storage.database import SCHEMA
from evolvent.storage.tables import Base
from evolvent.types import Attempt, BrokerAnswered, Event, RunStarted, TaskView, Usage


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database(tmp_path / "evolvent.db")


def test_migrations_build_exactly_the_declared_tables(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_the_newest_migration_is_the_one_that_the_code_expects() -> None:
    import evolvent.storage.migrations.versions as versions

    names = sorted(path.stem.split("_")[0] for path in Path(versions.__path__[0]).glob("0*.py"))
    assert names[-1] == SCHEMA


def test_the_database_is_in_wal_mode(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


def test_a_newer_schema_is_refused_with_what_to_do(tmp_path: Path, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(IntegrityError, match="'9999'.*upgrade Evolvent"):
        open_database(tmp_path / "evolvent.db")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(IntegrityError, match=r"broken\.db"):
        open_database(path)


def test_the_ledger_appends_an_event_once(engine: Engine) -> None:
    ledger, heard = Ledger(engine), list[Event]()
    ledger.listen(heard.append)
    started = RunStarted(key="started:r1", run_id="r1", job="solve", title="t")
    assert ledger.append(started) is True
    assert ledger.append(started.model_copy(update={"title": "another"})) is False
    assert [e.title for e in ledger.events("r1") if isinstance(e, RunStarted)] == ["t"]
    assert heard == [started]


def test_the_ledger_finds_keys_by_how_they_begin_and_end(engine: Engine) -> None:
    ledger = Ledger(engine)
    for key in (
        "node:r:1:gate",
        "node:r:2:promote",
        "node:r:10:promote",
        "node:r2:1:promote",
        "node:r",
        "nodf",
    ):
        ledger.append(RunStarted(key=key, run_id="r", job="solve", title="t"))
    assert ledger.keys("node:r:", ":promote") == ["node:r:10:promote", "node:r:2:promote"]
    assert ledger.keys("node:r:") == ["node:r:10:promote", "node:r:1:gate", "node:r:2:promote"]
    assert ledger.keys("nothing") == []


def test_the_ledger_gives_back_what_it_was_given(engine: Engine) -> None:
    ledger = Ledger(engine)
    answered = BrokerAnswered(
        key="k", run_id="r", attempt_id="a", method="log", ok=True, usage=Usage(input_tokens=3)
    )
    ledger.append(answered)
    assert list(ledger.events()) == [answered.model_copy(update={"at": next(ledger.events()).at})]
    assert list(ledger.events("another run")) == []


def test_a_journal_answers_again_only_what_was_asked(engine: Engine) -> None:
    ledger = Ledger(engine)
    answered = BrokerAnswered(key="k1", run_id="r", attempt_id="s", method="log", ok=True)
    Journal(engine, ledger, "s").record(1, "hash-a", {"result": 1}, answered)
    reopened = Journal(engine, ledger, "s")
    assert reopened.recall(1, "hash-a") == {"result": 1}
    assert reopened.recall(2, "hash-a") is None
    with pytest.raises(LookupError):
        reopened.recall(1, "hash-b")
    reopened.cut(1)
    assert Journal(engine, ledger, "s").recall(1, "hash-b") is None


def test_runs_are_found_by_a_unique_beginning(engine: Engine) -> None:
    runs = Runs(engine)
    runs.start("r-abc1", "solve", "one", {})
    runs.start("r-abd2", "solve", "two", {})
    assert runs.get("r-abc").title == "one"
    with pytest.raises(UnknownName, match="unknown run 'r-ab'"):
        runs.get("r-ab")
    with pytest.raises(UnknownName, match="r-abc1"):
        runs.get("r-xyz")


@pytest.mark.parametrize("parent", [None, "r-0000"])
def test_a_page_of_runs_is_read_from_an_index_in_its_order(engine: Engine, parent: str | None) -> None:
    runs = Runs(engine)
    for number in range(60):
        above = None if number % 2 == 0 else f"r-{number // 20 * 20:04d}"
        runs.start(f"r-{number:04d}", "solve", "t", {}, above)
    asked: list[tuple[str, Any]] = []
    with engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()

    def hear(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", hear)
    page = runs.list(5, parent, 3)
    event.remove(engine, "before_cursor_execute", hear)
    of_parent = [n for n in range(60) if (n % 2 == 0 if parent is None else n % 2 and n < 20)]
    assert [row.id for row in page] == [f"r-{number:04d}" for number in of_parent[::-1][3:8]]
    ((statement, parameters),) = asked
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    assert [step[3] for step in plan] == ["SEARCH runs USING INDEX runs_by_parent (parent_id=?)"]


def test_only_an_unfinished_run_of_the_same_configuration_is_continued(engine: Engine) -> None:
    runs = Runs(engine)
    runs.start("l1", "learn", "s", {"seed": 1})
    assert runs.unfinished("learn", {"seed": 2}) is None
    found = runs.unfinished("learn", {"seed": 1})
    assert found is not None
    assert found.id == "l1"
    runs.finish("l1", "finished", {"x": 1})
    assert runs.unfinished("learn", {"seed": 1}) is None


def test_an_attempt_is_kept_once(engine: Engine) -> None:
    runs = Runs(engine)
    runs.start("r", "solve", "t", {})
    attempt = Attempt(id="r#1", run_id="r", task=TaskView(id="t", prompt="p"), number=1, status="answered")
    runs.keep_attempt(attempt)
    runs.keep_attempt(attempt.model_copy(update={"status": "failed"}))
    assert runs.attempts("r") == [attempt]


def test_a_second_process_is_told_who_holds_the_home(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from evolvent.storage import Home\n"
        "home = Home(Path(sys.argv[1])); home.acquire(5); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "h")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "held\n"
        home = Home(tmp_path / "h")
        with pytest.raises(HomeBusy, match=f"process {other.pid} .*EVOLVENT_LOCK_WAIT"):
            home.acquire(0.2)
        other.stdin.close()
        other.wait(10)
    home.acquire(5)
    home.release()


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="EVOLVENT_HOME"):
        Home(tmp_path / "file" / "home").create()
