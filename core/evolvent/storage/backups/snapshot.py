"""A copy of a home as it is at one moment, while others write to it.

The files are copied first, without stopping anybody. Then the database is locked for writers, for as long as it takes
to copy what has changed since and to see that nothing changes any more: whoever writes tells the ledger, so each
thread gets one step further at most. In that time both databases get a read transaction each; they are copied from it
when the lock is gone, which makes nobody wait. What is copied is what a `kill -9` at that moment would have left,
and the home is made for that: checkpoints are not ahead of the database, a program's objects are there before its
row, a promotion is in the ledger before the ref moves.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from evolvent.errors import IntegrityError, RunError, UsageError
from evolvent.storage.backups.manifest import DRAFT, LEFT_OUT, Member, why_bad_path
from evolvent.storage.database_copy import connect, copy_database

__all__ = ["Snapshot", "place_of", "take"]

DATABASES = ("checkpoints.db", "evolvent.db")
"""In the order in which their moments are fixed: a checkpoint must not know more than the database."""
LIVELY = frozenset({"skills", "history", "mirror", "rejected", "damaged", "genomes.git"})
"""Folders whose files belong together; they must hold still for a moment."""
STILL_SECONDS = 20.0
_UNFINISHED = re.compile(rf"tmp_obj_.*|\.[0-9a-f]{{16}}|[0-9a-f]{{32}}\.part|.*\.lock|{re.escape(DRAFT)}.*")
BLOCK = 2**20


class Snapshot(NamedTuple):
    """What was copied."""

    members: dict[str, Member]
    folders: tuple[str, ...]
    """Empty ones."""
    left_out: dict[str, str]
    schema: str


class _Seen(NamedTuple):
    inode: int
    size: int
    changed: int
    """Nanoseconds."""


def take(home: Path, into: Path) -> Snapshot:
    """Copy a home into an empty folder.

    Args:
        home: any number of threads and one process may write to it.
        into: the folder.

    Raises:
        UsageError: there is no database.
        IntegrityError: a database is damaged.
        RunError: the home did not hold still, or its database was busy for too long.
    """
    if not (home / DATABASES[-1]).is_file():
        raise UsageError(f"there is nothing to back up: {str(home)!r} has no {DATABASES[-1]}")
    copies = _Copies(home, into)
    copies.follow()
    try:
        with _moment(home) as (release, connections):
            deadline = time.monotonic() + STILL_SECONDS
            while not copies.follow():
                if time.monotonic() > deadline:
                    raise RunError(
                        f"the folders of {str(home)!r} changed for {STILL_SECONDS:g} s on end, although its database "
                        "was locked; end what writes there by hand, and try again"
                    )
                time.sleep(0.01)
            release()
            for name, connection in connections.items():
                copy_database(connection, place_of(into, name))
                copies.members[name] = _member(place_of(into, name))
            row = connections[DATABASES[-1]].execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        raise RunError(f"the database of {str(home)!r} cannot be copied now: {error}; try again") from error
    except sqlite3.DatabaseError as error:
        raise IntegrityError(f"the database of {str(home)!r} is damaged: {error}") from error
    left_out = {name: why for name, why in LEFT_OUT.items() if (home / name).exists()} | copies.left_out
    return Snapshot(copies.members, copies.empty, left_out, str(row[0]) if row else "")


class _Copies:
    """The files that were copied so far, and of which content they are."""

    def __init__(self, home: Path, into: Path) -> None:
        self._home, self._into = home, into
        self._seen: dict[str, _Seen] = {}
        self.members: dict[str, Member] = {}
        self.empty: tuple[str, ...] = ()
        self.left_out: dict[str, str] = {}

    def follow(self) -> bool:
        """Copy what has changed; return whether what belongs together held still meanwhile."""
        before, self.empty = self._list()
        for path in self._seen.keys() - before.keys():
            del self._seen[path], self.members[path]
            place_of(self._into, path).unlink()
        copied = [self._copy(path, seen) for path, seen in before.items() if self._seen.get(path) != seen]
        after, empty = self._list()
        still = _lively(before) == _lively(after) and _lively(self.empty) == _lively(empty)
        return all(copied) and still and all(before[path] == after[path] for path in _lively(before))

    def _copy(self, path: str, seen: _Seen) -> bool:
        """Copy a file; return whether it is settled: it was as it was seen, or need not be."""
        target = place_of(self._into, path)
        self._seen.pop(path, None)
        self.members.pop(path, None)
        try:
            source = os.open(self._home / path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            target.unlink(missing_ok=True)
            if isinstance(error, PermissionError):
                self.left_out[path] = "it may not be read"
                return True
            return path.split("/")[0] not in LIVELY
        digest, size = hashlib.sha256(), 0
        with open(source, "rb", buffering=0) as file, target.open("wb") as copy:
            while block := file.read(BLOCK):
                digest.update(block)
                size += len(block)
                copy.write(block)
            found = os.fstat(file.fileno())
        self._seen[path] = seen
        executable = bool(found.st_mode & stat.S_IXUSR)
        self.members[path] = Member(size=size, sha256=digest.hexdigest(), executable=executable)
        same = _signature(found) == seen
        if not same:
            self._seen[path] = _Seen(0, 0, 0)
        return same or path.split("/")[0] not in LIVELY

    def _list(self) -> tuple[dict[str, _Seen], tuple[str, ...]]:
        """Return the files as they are, and the empty folders."""
        files: dict[str, _Seen] = {}
        empty: list[str] = []

        def walk(folder: str) -> None:
            try:
                entries = sorted(os.scandir(self._home / folder), key=lambda entry: entry.name)
            except OSError:  # it was moved away just now; the next list tells
                return
            if not entries and folder:
                empty.append(folder)
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if path in LEFT_OUT or path in DATABASES or _UNFINISHED.fullmatch(entry.name):
                    continue
                if why_bad_path(path):
                    shown = path.encode("utf-8", "backslashreplace").decode()
                    self.left_out[shown] = f"its name {why_bad_path(path)}"
                elif entry.is_dir(follow_symlinks=False):
                    walk(path)
                elif entry.is_file(follow_symlinks=False):
                    try:
                        files[path] = _signature(entry.stat(follow_symlinks=False))
                    except OSError:
                        continue
                else:
                    self.left_out[path] = "it is no regular file"

        walk("")
        return files, tuple(empty)


@contextmanager
def _moment(home: Path) -> Iterator[tuple[Callable[[], object], dict[str, sqlite3.Connection]]]:
    """Keep writers out until `release` is called, with connections that go on seeing that moment."""
    with ExitStack() as closing:

        def opened(name: str) -> sqlite3.Connection:
            connection = connect(home / name)
            closing.callback(connection.close)
            return connection

        writer = opened(DATABASES[-1])
        writer.execute("BEGIN IMMEDIATE")
        connections = {name: opened(name) for name in DATABASES if (home / name).is_file()}
        for connection in connections.values():
            connection.execute("BEGIN")
            connection.execute(
                "SELECT count(*) FROM sqlite_master"
            ).fetchone()  # the moment is fixed by reading
        yield (lambda: writer.execute("ROLLBACK")), connections


def _signature(found: os.stat_result) -> _Seen:
    return _Seen(found.st_ino, found.st_size, found.st_mtime_ns)


def _lively(paths: Iterable[str]) -> list[str]:
    """Return those of some paths that belong together."""
    return [path for path in paths if path.split("/")[0] in LIVELY]


def place_of(folder: Path, path: str) -> Path:
    """Return where the copy of a file lies: all copies lie in one folder, so that a path may become another thing."""
    return folder / hashlib.sha256(path.encode()).hexdigest()


def _member(path: Path) -> Member:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return Member(size=path.stat().st_size, sha256=digest.hexdigest())
