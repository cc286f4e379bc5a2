"""A second copy of each skill, so that damage to a folder loses nothing.

One file a skill. It is written as `NAME.next` before a folder's new content counts, and becomes `NAME.json` after it:
whichever moment a process dies at, the copy that counts is the one that equals the folder. A folder that cannot be
read, or is not what was admitted, is set aside under `damaged/` and the copy takes its place: an edit by hand is kept
there too, and can be proposed as a new version.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from evolvent.library.contents import walk_files

__all__ = ["Mirror"]


class Mirror:
    """The copies of one library.

    Args:
        folder: where they lie, `<folder>/<name>.json`.
        damaged: where folders go that are set aside.
    """

    def __init__(self, folder: Path, damaged: Path) -> None:
        self._folder, self._damaged = folder, damaged

    def names(self) -> set[str]:
        """Return the skills that have a copy."""
        if not self._folder.is_dir():
            return set()
        return {path.stem for path in self._folder.glob("*.json")}

    def prepare(self, name: str, source: Path) -> None:
        """Write the copy of a folder that is about to count."""
        files = {
            relative: base64.b64encode(content).decode("ascii")
            for relative, content in _contents(source).items()
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._next(name).open("w", encoding="ascii") as file:
            json.dump(files, file)
            file.flush()
            os.fsync(file.fileno())

    def commit(self, name: str) -> None:
        """Let a prepared copy count."""
        self._next(name).replace(self._path(name))

    def keep(self, name: str, source: Path) -> None:
        """Copy a skill's folder as it now is."""
        self.prepare(name, source)
        self.commit(name)

    def recover(self, root: Path) -> None:
        """After a kill: let each prepared copy count that equals its folder, and drop the others."""
        for path in self._folder.glob("*.next") if self._folder.is_dir() else ():
            folder = root / path.stem
            stored = _read(path)
            if stored is not None and folder.is_dir() and stored == _contents(folder):
                self.commit(path.stem)
            else:
                path.unlink()

    def files(self, name: str) -> Mapping[str, bytes] | None:
        """Return a copy as relative path -> content; None where there is none that can be read."""
        return _read(self._path(name))

    def set_aside(self, source: Path) -> Path:
        """Move a damaged folder away and return where it is now."""
        self._damaged.mkdir(parents=True, exist_ok=True)
        number = 1
        while (target := self._damaged / f"{source.name}-{number}").exists():
            number += 1
        source.rename(target)
        return target

    def differs(self, name: str, source: Path) -> list[str]:
        """Return the files of a folder that are not as they were copied; without a copy all of them."""
        stored, found = self.files(name) or {}, _contents(source)
        return sorted(path for path in stored.keys() | found.keys() if stored.get(path) != found.get(path))

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _next(self, name: str) -> Path:
        return self._folder / f"{name}.next"


def _contents(folder: Path) -> dict[str, bytes]:
    return {relative: (folder / relative).read_bytes() for relative in walk_files(folder)}


def _read(path: Path) -> dict[str, bytes] | None:
    try:
        stored = json.loads(path.read_text(encoding="ascii"))
        files = {str(name): base64.b64decode(text, validate=True) for name, text in stored.items()}
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return None
    inside = all(
        not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts for name in files
    )
    return files if "SKILL.md" in files and inside else None
