"""Folders that are replaced whole: a `kill -9` at any moment leaves the old or the new one, never a mixture.

A new folder is written and synced as `.staging/<random>.part`, then renamed to `.staging/<name>.ready`: the
commit point. After it the old folder moves to the history and the new one takes its place; a process that
dies in between leaves a `.ready` folder, and the next `recover` finishes the move. What was never ready is
removed.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from evolvent.storage.durable import sync

__all__ = ["ASIDE", "FolderWriter"]

SAME = "the same version"
ASIDE = "-old"
"""What a folder is called while another one takes its place, where there is no history."""
_HISTORY_NAME = re.compile(r"[0-9a-f]{8,64}|unreadable")


class FolderWriter:
    """Writes the folders directly below one root.

    Args:
        root: where the folders live; made on the first write.
        history: where replaced folders go, as `history/<name>/<digest>`.
    """

    def __init__(self, root: Path, history: Path) -> None:
        self._root = root
        self._history = history
        self._staging = root / ".staging"

    def replace(
        self,
        name: str,
        files: Mapping[str, str | bytes],
        *,
        old_digest: str | None,
        base: Path | None = None,
        before: Callable[[Path], None] | None = None,
    ) -> None:
        """Put a folder in place of whatever is there.

        Args:
            name: the folder's name below the root.
            files: relative path to text or content.
            old_digest: what the replaced folder is called in the history; None: it holds the same version, and is
                not kept.
            base: a folder whose other files are kept.
            before: called with the finished folder before it counts; what it raises leaves everything as it was.
        """
        part = self._write_part(files, base)
        if before is not None:
            try:
                before(part)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
        (part / ".replaces").write_text(old_digest or SAME, encoding="utf-8")
        ready = self._staging / f"{name}.ready"
        if ready.exists():
            self._install(ready)
        part.rename(ready)
        sync(self._staging)
        self._install(ready)
        self._sweep()

    def overwrite(self, target: Path, files: Mapping[str, str | bytes]) -> None:
        """Write a folder outside the root, without a history; a folder that is there is replaced."""
        part = self._write_part(files, None)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            # Until the new one is in its place, the old one stays beside it under a name that a reader knows.
            aside = target.with_name(f"{target.name}{ASIDE}")
            if aside.exists():
                aside.rename(self._staging / f"{uuid.uuid4().hex}.part")
            target.rename(aside)
            part.rename(target)
            sync(target.parent)
            aside.rename(self._staging / f"{uuid.uuid4().hex}.part")
        else:
            part.rename(target)
            sync(target.parent)
        self._sweep()

    def recover(self) -> list[str]:
        """Finish what a killed process left, and return a note on each folder."""
        if not self._staging.is_dir():
            return []
        notes = []
        for ready in sorted(self._staging.glob("*.ready")):
            if not ready.is_dir():
                ready.rename(ready.with_suffix(".part"))
                continue
            self._install(ready)
            notes.append(f"{ready.name.removesuffix('.ready')}: an interrupted write was finished")
        notes += [f"{part}: an unfinished write was removed" for part in self._sweep()]
        return notes

    def _write_part(self, files: Mapping[str, str | bytes], base: Path | None) -> Path:
        part = self._staging / f"{uuid.uuid4().hex}.part"
        if base is not None:
            ignore = shutil.ignore_patterns("__pycache__", ".replaces")
            shutil.copytree(base, part, ignore=ignore)
        for relative, content in files.items():
            path = part / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        for parent, _, names in os.walk(part, topdown=False):
            for name in names:
                sync(Path(parent, name))
            sync(Path(parent))
        return part

    def _install(self, ready: Path) -> None:
        """Move a ready folder to its place; safe to repeat after a kill at any step."""
        name = ready.name.removesuffix(".ready")
        note = ready / ".replaces"
        target = self._root / name
        if target.exists() or target.is_symlink():
            old = note.read_text(encoding="utf-8", errors="replace") if note.is_file() else "unreadable"
            if old != SAME and not _HISTORY_NAME.fullmatch(old):
                old = "unreadable"
            kept = (
                self._staging / f"{uuid.uuid4().hex}.part" if old == SAME else self._free_history(name, old)
            )
            kept.parent.mkdir(parents=True, exist_ok=True)
            target.rename(kept)
            sync(kept.parent)
        note.unlink(missing_ok=True)
        ready.rename(target)
        sync(self._root)

    def _free_history(self, name: str, digest: str) -> Path:
        folder = self._history / name
        number = 2
        kept = folder / digest
        while kept.exists():
            kept = folder / f"{digest}-{number}"
            number += 1
        return kept

    def _sweep(self) -> list[str]:
        parts = sorted(self._staging.glob("*.part"))
        for part in parts:
            if part.is_dir() and not part.is_symlink():
                shutil.rmtree(part)
            else:
                part.unlink()
        return [part.name for part in parts]
