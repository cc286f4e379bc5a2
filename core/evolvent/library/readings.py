"""What was read from large libraries before, so that a hundred thousand folders need not be parsed at each start.

A row holds a skill as JSON with a stamp: name, kind, size and the times of change of everything in its folder. The time
of change of an inode cannot be set from outside, so whatever is written to a folder is read again. Damage by the disk
itself changes no time; libraries below `FROM` skills are therefore always read whole, and `evolvent skills audit` reads
every file of any library. It is only a cache: one that cannot be used is deleted.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from evolvent.types import Skill

__all__ = ["FROM", "Readings", "readings"]

_log = logging.getLogger(__name__)

FROM = 2_000
"""Skills from which on the cache is used."""
_BATCH = 1_000


class Readings:
    """Folder -> skill, for as long as a library is opened.

    Args:
        connection: the cache's database.
        read: reads a folder whose stamp is not known.
        keep: whether what is read is written into the cache.
    """

    def __init__(self, connection: sqlite3.Connection, read: Callable[[Path], Skill], keep: bool) -> None:
        self._connection, self._read, self._keep = connection, read, keep
        self._new: list[tuple[str, str, bytes]] = []

    def skill(self, folder: Path) -> Skill:
        """Return the skill in a folder.

        Raises:
            IntegrityError: the folder had to be read, and cannot be.
        """
        stamp = _stamp(folder)
        row = self._connection.execute(
            "SELECT skill FROM readings WHERE name = ? AND stamp = ?", (folder.name, stamp)
        ).fetchone()
        if row is not None:
            with contextlib.suppress(zlib.error, ValidationError):
                return Skill.model_validate_json(zlib.decompress(row[0]))
        skill = self._read(folder)
        self._new.append((folder.name, stamp, zlib.compress(skill.model_dump_json().encode(), 1)))
        if len(self._new) >= _BATCH:
            self.flush()
        return skill

    def flush(self) -> None:
        """Write what was read."""
        if self._keep and self._new:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO readings VALUES (?, ?, ?)", self._new)
        self._new = []


@contextmanager
def readings(
    path: Path, read: Callable[[Path], Skill], count: int, keep: bool
) -> Iterator[Callable[[Path], Skill]]:
    """Give a function that reads skill folders, by the cache where it pays and can be used.

    Args:
        path: the cache's file.
        read: reads a folder.
        count: how many will be read.
        keep: whether this process may write.
    """
    if count < FROM or not (keep or path.exists()):
        yield read
        return
    try:
        connection = _opened(path, keep)
    except sqlite3.Error as error:
        _log.warning("the cache of readings cannot be used: %s", error)
        if keep:
            path.unlink(missing_ok=True)
        yield read
        return
    with contextlib.closing(connection):
        cache = Readings(connection, read, keep)

        def guarded(folder: Path) -> Skill:
            try:
                return cache.skill(folder)
            except (sqlite3.Error, OSError):
                return read(folder)

        yield guarded
        try:
            cache.flush()
            if keep and connection.execute("SELECT count(*) FROM readings").fetchone()[0] > 2 * count:
                connection.execute("DELETE FROM readings")  # mostly of skills that are gone: it is begun anew
                connection.commit()
        except sqlite3.Error as error:
            _log.warning("the cache of readings was not written: %s", error)


def _opened(path: Path, keep: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{path}{'' if keep else '?mode=ro'}", uri=True)
    try:
        if keep:
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS readings (name TEXT PRIMARY KEY, stamp TEXT NOT NULL, skill BLOB NOT NULL)"
            )
        connection.execute("SELECT name, stamp, skill FROM readings LIMIT 1").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _stamp(folder: Path) -> str:
    """Return a hash of what a look from outside tells of everything in a folder."""
    parts: list[str] = []
    pending = [(str(folder), "")]
    while pending:
        place, relative = pending.pop()
        own = os.lstat(place)
        parts.append(f"{relative}/\x00{own.st_mode}\x00{own.st_ctime_ns}")
        with os.scandir(place) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                if entry.is_dir(follow_symlinks=False):
                    pending.append((entry.path, f"{relative}/{entry.name}"))
                    continue
                seen = entry.stat(follow_symlinks=False)
                parts.append(
                    f"{relative}/{entry.name}\x00{seen.st_mode}\x00{seen.st_size}\x00{seen.st_ctime_ns}\x00{seen.st_ino}"
                )
    return hashlib.sha256("\x01".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
