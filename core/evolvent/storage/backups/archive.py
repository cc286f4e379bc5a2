"""Writing a backup: a snapshot of the home as one compressed tar file with a manifest."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from evolvent.errors import UsageError
from evolvent.storage.backups.manifest import DRAFT, MANIFEST, PREFIX, Manifest
from evolvent.storage.backups.snapshot import place_of, take
from evolvent.storage.database_copy import ARCHIVE, BACKUPS, keep_newest, stamp
from evolvent.storage.durable import sync
from evolvent.storage.home import Home, room_on

__all__ = ["SCHEDULED", "back_up"]

BY_HAND, SCHEDULED = "evolvent-", "scheduled-"
"""Begins of the names of backups in the home: of those that a person made, and of those that a daemon made."""
LEVEL = 6
"""Of compression: higher ones take twice the time for a hundredth of the size."""


def back_up(
    home: Home, target: Path | None = None, *, scheduled: bool = False, keep: int | None = None
) -> Path:
    """Write a backup; others may write to the home meanwhile.

    Args:
        home: what is backed up.
        target: a new file; default: a name of its own in the home's folder `backups`.
        scheduled: whether a daemon made it; such ones are counted by `keep`.
        keep: of the scheduled ones in the home so many, the newest, stay.

    Returns:
        The file, which only its owner may read.

    Raises:
        UsageError: there is no home, the file is there already, or it cannot be written.
        IntegrityError: the home's database is damaged.
        MissingPrerequisite: the disk is full.
        RunError: the home did not hold still.
    """
    folder = home.path / BACKUPS
    made = target or folder / f"{SCHEDULED if scheduled else BY_HAND}{stamp()}{ARCHIVE}"
    made = made.expanduser().absolute()
    if made.exists():
        raise UsageError(f"{str(made)!r} is there already; give the name of a new file")
    if not home.database.is_file():
        raise UsageError(f"there is nothing to back up: the home {str(home.path)!r} has no database")
    try:
        if target is None:
            folder.mkdir(mode=0o700, exist_ok=True)
        with room_on(home), tempfile.TemporaryDirectory(prefix=DRAFT, dir=made.parent) as draft:
            copies = Path(draft, "copies")
            copies.mkdir()
            taken = take(home.path, copies)
            manifest = Manifest(
                evolvent=importlib.metadata.version("evolvent"),
                schema_revision=taken.schema,
                made_at=datetime.now(UTC).isoformat(timespec="seconds"),
                members=dict(sorted(taken.members.items())),
                folders=taken.folders,
                left_out=taken.left_out,
            )
            whole = Path(draft, "whole")
            _write(manifest, copies, whole)
            sync(whole)
            whole.replace(made)
            sync(made.parent)
    except OSError as error:
        raise UsageError(
            f"the backup {str(made)!r} cannot be written: {error.strerror or error}; give a file in a folder that "
            "you may write to"
        ) from error
    _sweep(made.parent)
    if keep is not None:
        keep_newest(folder.glob(f"{SCHEDULED}*{ARCHIVE}"), keep)
    return made


def _write(manifest: Manifest, copies: Path, target: Path) -> None:
    opened: Any = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with (
        open(opened, "wb") as file,
        tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT, compresslevel=LEVEL) as archive,
    ):
        text = manifest.model_dump_json(indent=1).encode()
        head = _head(MANIFEST, len(text))
        archive.addfile(head, BytesIO(text))
        for path, member in manifest.members.items():
            head = _head(f"{PREFIX}{path}", member.size, 0o700 if member.executable else 0o600)
            with place_of(copies, path).open("rb") as copy:
                archive.addfile(head, copy)


def _head(name: str, size: int, mode: int = 0o600) -> tarfile.TarInfo:
    head = tarfile.TarInfo(name)
    head.size, head.mode = size, mode
    return head


def _sweep(folder: Path) -> None:
    """Remove what a killed process left an hour ago or earlier."""
    hour_ago = datetime.now(UTC).timestamp() - 3600
    drafts: Iterable[Path] = folder.glob(f"{DRAFT}*")
    for draft in drafts:
        if draft.is_dir() and not draft.is_symlink() and draft.stat().st_mtime < hour_ago:
            shutil.rmtree(draft, ignore_errors=True)
