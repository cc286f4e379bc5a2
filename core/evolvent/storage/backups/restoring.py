"""Restoring a backup: unpacked beside the home, checked, and put in its place in one step."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from evolvent.errors import IntegrityError, MissingPrerequisite, UsageError
from evolvent.storage.backups.manifest import LEFT_OUT, Manifest
from evolvent.storage.backups.unpacking import unpack
from evolvent.storage.database import open_database
from evolvent.storage.database_copy import BACKUPS, check_database, stamp
from evolvent.storage.durable import sync
from evolvent.storage.home import Home
from evolvent.storage.jobs import JobQueue
from evolvent.storage.ledger import Ledger
from evolvent.types import JobState

__all__ = ["Restored", "restore"]

BEFORE, RESTORING = ".before-restore-", ".restoring-"
"""Between a home's name and a time: its former content, and what is being unpacked."""
MARK = ".restoring"
"""A file in what is being unpacked, until it is the home: a folder called so without it is a former home."""
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


class Restored(NamedTuple):
    """What was done."""

    manifest: Manifest
    before: Path | None
    """Where the former content of the home is; None: it was empty."""
    queued: int
    """Jobs that were being done when the backup was made; they are queued again."""


def restore(file: Path, home: Home, *, replace: bool = False) -> Restored:
    """Put the content of a backup in the place of a home.

    A kill at any moment leaves the home as it was or as it is to be. Embedded models, backups and `daemon.env`, which
    no backup holds, stay with the home.

    Args:
        file: of `back_up`.
        home: which nobody uses.
        replace: whether what is in it may be moved beside it.

    Raises:
        HomeBusy: a daemon or another process has the home.
        UsageError: the home is not empty, or the file is not there.
        IntegrityError: the file is damaged, or holds what no backup holds; the home is as it was.
        MissingPrerequisite: the disk is full.
    """
    file = file.expanduser().absolute()
    if not file.is_file():
        raise UsageError(f"there is no file {str(file)!r}; backups of a home lie in its folder {BACKUPS!r}")
    if home.path.is_mount():
        raise UsageError(
            f"the home {str(home.path)!r} is a mount point, which cannot be exchanged in one step; "
            f"set EVOLVENT_HOME to a folder in it, such as {str(home.path / 'home')!r}"
        )
    new = not home.path.exists()
    home.acquire(0.0)
    try:
        _settle_former(home.path)
        full = sorted(entry.name for entry in home.path.iterdir() if not _spare(entry))
        if full and not replace:
            raise UsageError(
                f"the home {str(home.path)!r} is not empty: it holds {', '.join(full[:5])}. With --replace that is "
                "moved beside it, and nothing is lost; or set EVOLVENT_HOME to a new folder"
            )
        manifest, before, queued = _exchange(file, home, bool(full))
    except BaseException:
        if new:
            shutil.rmtree(home.path, ignore_errors=True)
        raise
    finally:
        home.release()
    return Restored(manifest, before, queued)


def _exchange(file: Path, home: Home, keep: bool) -> tuple[Manifest, Path | None, int]:
    when = stamp()
    draft = home.path.with_name(f"{home.path.name}{RESTORING}{when}")
    draft.mkdir(mode=0o700)
    (draft / MARK).touch(0o600)
    with _or_removed(draft):
        manifest = unpack(file, draft)
        queued = _check(draft)
        # Whoever opens the new home in the moment after the exchange waits for this lock.
        with FileLock(draft / "writer.lock"):
            sync(draft)
            try:
                _swap(draft, home.path)
            except OSError as error:
                raise UsageError(f"{str(home.path)!r} cannot be replaced: {error.strerror}") from error
            sync(home.path.parent)
            former = draft  # which is the former content now
            _carry(former, home.path)
            (home.path / MARK).unlink()
            before = _kept(former, home.path, when) if keep else None
            if not keep:
                shutil.rmtree(former, ignore_errors=True)
    return manifest, before, queued


def _check(draft: Path) -> int:
    """Open what was unpacked as a home is opened; return how many jobs are queued again."""
    home = Home(draft)
    if not home.database.is_file():
        raise IntegrityError("the backup has no database")
    for path in (home.database, home.checkpoints):
        if path.exists():
            check_database(path)
    engine = open_database(home.database, keep_copy=False)
    try:
        queue, queued = JobQueue(engine, Ledger(engine)), 0
        for job in queue.list([JobState.RUNNING], limit=1_000_000):
            if job.cancelling:
                queue.cancelled(job.id, job.worker)
            else:
                queue.give_back(job.id, job.worker, "the home was restored from a backup", 0.0)
                queued += 1
    finally:
        engine.dispose()
    return queued


def _spare(entry: Path) -> bool:
    """Whether something in a home is no content that a backup would hold."""
    return entry.name in LEFT_OUT or entry.name == MARK


def _settle_former(home: Path) -> None:
    """Clear up after a restore that was killed: drafts go, a former home gets its name."""
    for found in home.parent.glob(f"{home.name}{RESTORING}*"):
        if (found / MARK).exists():
            shutil.rmtree(found)
        else:
            _carry(found, home)
            _kept(found, home, found.name.rpartition(RESTORING)[2])
    (home / MARK).unlink(missing_ok=True)


def _carry(former: Path, home: Path) -> None:
    """Take over what no backup holds and a home should not lose."""
    for name in ("models", BACKUPS):
        if (former / name).exists() and not (home / name).exists():
            (former / name).rename(home / name)
    if (former / "daemon.env").is_file() and not (home / "daemon.env").exists():
        shutil.copy2(former / "daemon.env", home / "daemon.env")


def _kept(former: Path, home: Path, when: str) -> Path:
    kept = home.with_name(f"{home.name}{BEFORE}{when}")
    former.rename(kept)
    sync(home.parent)
    return kept


@contextlib.contextmanager
def _or_removed(draft: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise MissingPrerequisite(
            f"no space left under {str(draft.parent)!r}; the home is as it was",
            "free some space there, and give the same command again",
        ) from error
    finally:
        if (draft / MARK).exists():  # else it is the former home by now
            shutil.rmtree(draft, ignore_errors=True)


def _swap(one: Path, other: Path) -> None:
    """Exchange two folders in one step, where the kernel can; else in two.

    Source: renameat2(2), RENAME_EXCHANGE.
    """
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is not None:
        if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
            return
        code = ctypes.get_errno()
        if code not in (errno.ENOSYS, errno.EINVAL):
            raise OSError(code, os.strerror(code))
    aside = one.with_name(f"{one.name}-swap")
    other.rename(aside)
    one.rename(other)
    aside.rename(one)
