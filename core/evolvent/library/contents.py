"""The files of a skill's folder beside those that have a meaning of their own."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from evolvent.errors import IntegrityError
from evolvent.library.script import SCRIPT_PATH

__all__ = ["check_tree", "folders_in", "further_files", "seed_folder", "walk_files"]

MAX_FILES = 500
MAX_FOLDER_BYTES = 20 * 1024 * 1024
_NOT_HASHED = ("tests/", "evals/", "scripts/skills/")
"""Tests say how a version is judged, and `scripts/skills/` holds copies of skills that it calls, pinned by version."""


def folders_in(root: Path | None) -> Iterator[Path]:
    """Yield the skill folders under a root in a fixed order; hidden and private names are not skills."""
    if root is None or not root.is_dir():
        return
    for path in sorted(root.iterdir()):
        if not path.name.startswith((".", "_")) and (path.is_dir() or path.is_symlink()):
            yield path


def seed_folder() -> Path | None:
    """Return the folder of the seed skills that ship with Evolvent, or None when they are not installed."""
    spec = importlib.util.find_spec("evolvent_skills")
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def walk_files(folder: Path) -> Iterator[str]:
    """Yield the relative paths of all files of a skill, sorted; compiled and hidden ones are not part of it."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
        found += [
            Path(parent, name).relative_to(folder).as_posix() for name in names if not name.startswith(".")
        ]
    yield from sorted(found)


def further_files(folder: Path) -> dict[str, str]:
    """Return the content hash of each file that is not SKILL.md, the entry script, a test or a skill that is called.

    Raises:
        IntegrityError: one of them cannot be read.
    """
    hashes = {}
    for relative in walk_files(folder):
        try:
            relative.encode("utf-8")
        except UnicodeEncodeError as error:
            raise IntegrityError(f"{folder.name}: the file name {relative!r} is not UTF-8") from error
        if relative in ("SKILL.md", SCRIPT_PATH) or relative.startswith(_NOT_HASHED):
            continue
        try:
            hashes[relative] = hashlib.sha256((folder / relative).read_bytes()).hexdigest()[:32]
        except OSError as error:
            raise IntegrityError(f"{folder.name}/{relative}: cannot be read: {error.strerror}") from error
    return hashes


def check_tree(folder: Path) -> None:
    """Refuse links, special files and folders that are too large, before anything is opened.

    Raises:
        IntegrityError: there is something of the kind; says where.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise IntegrityError(f"{folder.name}: not a folder of its own (links are refused)")
    files = size = 0
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(parent, name)
            where = f"{folder.name}/{path.relative_to(folder)}"
            if not name.isprintable():
                raise IntegrityError(f"{where!r}: control characters in names of files are refused")
            if path.is_symlink():
                raise IntegrityError(f"{where}: symbolic links are refused")
            if name in names and not path.is_file():
                raise IntegrityError(f"{where}: neither a file nor a folder")
            files += 1
            size += path.lstat().st_size if name in names else 0
    if files > MAX_FILES or size > MAX_FOLDER_BYTES:
        raise IntegrityError(
            f"{folder.name}: {files} entries with {size} bytes; allowed: {MAX_FILES} and {MAX_FOLDER_BYTES}"
        )
