"""Copies of SQLite databases that others write to meanwhile, and whether a copy is sound."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from evolvent.errors import IntegrityError
from evolvent.storage.durable import sync

__all__ = ["BACKUPS", "check_database", "connect", "copy_database", "keep_newest", "newest_backup", "stamp"]

BACKUPS = "backups"
"""Folder of a home for its backups, and for copies of its database from before a migration."""
ARCHIVE = ".tar.gz"
BUSY_SECONDS = 30.0


def connect(path: Path) -> sqlite3.Connection:
    """Open a database that is there, in autocommit, and wait for others as long as they do for us."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def copy_database(source: sqlite3.Connection, target: Path) -> None:
    """Copy what a connection sees, as one transaction, into a new file of its own that is on the disk afterwards.

    Args:
        source: a connection; where it has a read transaction open, that moment is copied.
        target: the new file.

    Raises:
        IntegrityError: the copy is damaged, so the source is.
    """
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.close(handle)
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        check_database(target)
        sync(target)
        sync(target.parent)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def check_database(path: Path) -> None:
    """Let SQLite read all of a database that nobody else uses.

    Raises:
        IntegrityError: it is damaged; the message begins with what SQLite found first.
    """
    try:
        with closing(connect(path)) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    if found != ["ok"]:
        raise IntegrityError(f"the database {path.name} is damaged: {'; '.join(found)[:500]}")


def stamp(now: datetime | None = None) -> str:
    """Return the present in UTC as part of a file's name, which sorts as time does."""
    return (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%S.%fZ")


def newest_backup(home: Path) -> Path | None:
    """Return the newest backup of a home that lies in it; None: there is none."""
    found = [path for path in (home / BACKUPS).glob(f"*{ARCHIVE}") if path.is_file()]
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


def keep_newest(files: Iterable[Path], count: int) -> list[Path]:
    """Delete all of some files, whose names sort as time does, but the newest; return those that went."""
    old = sorted(files, key=lambda path: path.name)[: -count or None]
    for path in old:
        path.unlink(missing_ok=True)
    return old
