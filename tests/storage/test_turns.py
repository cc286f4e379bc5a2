"""Threads that write to one database wait for each other in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, OperationalError

from evolvent.storage import open_database, turns
from evolvent.storage.turns import Turns

WRITE = text("INSERT INTO events (key, run_id, kind, at, data) VALUES (:key, 'r', 'k', '2026-01-01', '{}')")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(tmp_path / "evolvent.db")
    yield engine
    engine.dispose()


def waiting(turns: Turns, count: int) -> None:
    """Wait until so many wait."""
    end = time.monotonic() + 20
    while len(turns._waiting) != count:
        assert time.monotonic() < end, f"{len(turns._waiting)} wait, not {count}"
        time.sleep(0.001)


def in_threads(work: Callable[[int], None], turns: Turns, count: int) -> list[threading.Thread]:
    """Start threads one after the other, each when the one before it waits."""
    threads = []
    for number in range(count):
        thread = threading.Thread(target=work, args=(number,))
        thread.start()
        threads.append(thread)
        waiting(turns, number + 1)
    return threads


def turns_of(engine: Engine) -> Turns:
    with engine.connect() as connection:
        return connection.connection.dbapi_connection._turns  # type: ignore[union-attr,no-any-return]


def test_who_came_first_writes_first(engine: Engine) -> None:
    turns, order = turns_of(engine), []

    def write(number: int) -> None:
        with engine.begin() as connection:
            connection.execute(WRITE, {"key": f"k{number}"})
            order.append(number)

    with engine.begin() as connection:
        connection.execute(WRITE, {"key": "first"})
        threads = in_threads(write, turns, 12)
        assert order == []
    for thread in threads:
        thread.join()
    assert order == list(range(12))


def test_engines_of_one_file_share_their_turns(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    other = open_database(tmp_path / "link" / "evolvent.db")
    elsewhere = open_database(tmp_path / "other.db")
    assert turns_of(other) is turns_of(engine)
    assert turns_of(elsewhere) is not turns_of(engine)
    other.dispose()
    elsewhere.dispose()


def write_all(engine: Engine, *keys: str) -> None:
    with engine.begin() as connection:
        for key in keys:
            connection.execute(WRITE, {"key": key})


def test_a_transaction_that_fails_hands_its_turn_on(engine: Engine) -> None:
    for _ in range(2):
        with pytest.raises(IntegrityError):
            write_all(engine, "same", "same")
    with engine.connect() as connection:
        connection.execute(WRITE, {"key": "closed without a commit"})
    assert not turns_of(engine)._taken
    write_all(engine, "same", "closed without a commit")
    assert not turns_of(engine)._taken


def test_readers_do_not_wait(engine: Engine) -> None:
    with engine.begin() as writer, engine.connect() as reader:
        writer.execute(WRITE, {"key": "k"})
        assert reader.execute(text("SELECT count(*) FROM events")).scalar() == 0


def test_who_waits_too_long_hears_it_from_the_database(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "WAIT_SECONDS", 0.05)
    with engine.begin() as connection, engine.connect() as late:
        connection.execute(WRITE, {"key": "k"})
        late.exec_driver_sql("PRAGMA busy_timeout=50")
        with pytest.raises(OperationalError, match="locked"):
            late.execute(WRITE, {"key": "late"})
    assert not turns_of(engine)._taken
    assert not turns_of(engine)._waiting


def test_a_turn_that_comes_to_one_who_gave_up_goes_on() -> None:
    turns = Turns()
    assert turns.take(0)
    assert not turns.take(0.01)
    assert not turns._waiting
    turns.give()
    assert turns.take(0), "nobody has it"


def test_an_interrupted_writer_leaves_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Turns()
    assert line.take(0)

    class Interrupted:
        """A lock whose waiting ends as Ctrl-C ends it, before the turn comes or just after."""

        def __init__(self, came: bool) -> None:
            self.came = came
            self.waits = False

        def acquire(self, timeout: float = -1) -> bool:
            if not self.waits:
                self.waits = True
                return True
            if self.came:
                line.give()
            raise KeyboardInterrupt

        def release(self) -> None:
            pass

    for came in (False, True):
        monkeypatch.setattr(turns.threading, "Lock", lambda came=came: Interrupted(came))
        with pytest.raises(KeyboardInterrupt):
            line.take(1)
        monkeypatch.undo()
        assert not line._waiting
    assert line.take(0), "the turn that had come was handed on"
