"""Backups that the daemon makes by itself, of a real home."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.daemon.conftest import Home, ask, ended

from evolvent.daemon.safekeeping import KEPT, Safekeeping
from evolvent.storage.backups import restore
from evolvent.storage.home import Home as Folder


def made(path: Path) -> list[Path]:
    return sorted((path / "backups").glob("scheduled-*.tar.gz"))


def test_a_backup_is_made_when_the_last_one_is_old_and_nothing_is_done(home: Home, own_home: Path) -> None:
    daemon = home.daemon(daemon_free_mb=0)
    job = ended(daemon, daemon.submit(ask("q"))[0])
    told, busy, now = list[str](), [True], [time.time()]
    keeper = Safekeeping(daemon.runtime.home, 24.0, lambda: busy[0], told.append, lambda: now[0])
    assert not keeper.tick()
    now[0] += 24 * 3600
    assert not keeper.tick(), "it waits for a quiet moment"
    busy[0] = False
    assert keeper.tick()
    assert told == [""]
    (first,) = made(own_home)
    os.utime(first, (now[0], now[0]))
    busy[0] = True
    now[0] += 30 * 3600
    assert keeper.tick(), "but not for ever"
    assert len(made(own_home)) == 2
    assert daemon.status().last_backup is not None
    other = Folder(own_home.parent / "other")
    restore(first, other)
    assert other.database.is_file()
    assert job.state == "finished"


def test_only_the_newest_are_kept_and_a_failure_is_told(home: Home, own_home: Path) -> None:
    daemon = home.daemon(daemon_free_mb=0)
    now = [time.time()]
    told = list[str]()
    keeper = Safekeeping(daemon.runtime.home, 1.0, lambda: False, told.append, lambda: now[0])
    for _ in range(KEPT + 2):
        now[0] += 3601
        assert keeper.tick()
        os.utime(made(own_home)[-1], (now[0], now[0]))
    assert len(made(own_home)) == KEPT
    for path in made(own_home):
        path.unlink()
    (own_home / "backups").rmdir()
    (own_home / "backups").write_text("in the way")
    now[0] += 3601 * 20
    assert not keeper.tick()
    assert "no backup could be made" in told[-1]
    assert not keeper.tick(), "it is not tried again at once"
    assert len([word for word in told if word]) == 1
    daemon._backed_up(told[-1])
    assert "no backup" in daemon.status().last_error


def test_a_file_of_the_future_is_no_reason_to_wait(home: Home, own_home: Path) -> None:
    daemon = home.daemon(daemon_free_mb=0)
    now = [time.time() + 7200]
    keeper = Safekeeping(daemon.runtime.home, 1.0, lambda: False, lambda _: None, lambda: now[0])
    assert not keeper.tick()
    now[0] += 7200
    assert keeper.tick()
    os.utime(made(own_home)[0], (now[0] + 10**6, now[0] + 10**6))
    now[0] += 10
    assert keeper.tick()


def test_none_are_made_when_it_is_turned_off(home: Home, own_home: Path) -> None:
    daemon = home.daemon(daemon_backup_hours=0, daemon_free_mb=0)
    assert not daemon._safekeeping._thread.is_alive()
    assert daemon.status().last_backup is None
