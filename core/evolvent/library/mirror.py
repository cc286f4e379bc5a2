"""A second copy of each skill in use, so that damage to a folder loses nothing.

One file a skill, written after its folder and replaced as a whole. A folder that cannot be read, or is not what was
admitted, is set aside under `damaged/` and the copy takes its place: an edit by hand is kept there too, and can be
proposed as a new version.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path

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

    def keep(self, name: str, source: Path) -> None:
        """Copy a skill's folder as it now is."""
        files = {
            relative: base64.b64encode((source / relative).read_bytes()).decode("ascii")
            for relative in walk_files(source)
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{name}.part"
        with part.open("w", encoding="ascii") as file:
            json.dump(files, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._folder / f"{name}.json")

    def files(self, name: str) -> Mapping[str, bytes] | None:
        """Return a copy as relative path -> content; None where there is none that can be read."""
        try:
            stored = json.loads((self._folder / f"{name}.json").read_text(encoding="ascii"))
            return {str(path): base64.b64decode(text, validate=True) for path, text in stored.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return None

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
        stored = self.files(name) or {}
        found = {relative: (source / relative).read_bytes() for relative in walk_files(source)}
        return sorted(path for path in stored.keys() | found.keys() if stored.get(path) != found.get(path))
