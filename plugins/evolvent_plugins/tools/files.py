"""`files.read`, `list`, `search`, `write`, `edit` and `delete`: the files of the workspace, and no others."""

from __future__ import annotations

import itertools
import os
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from evolvent.errors import UsageError
from evolvent.types import Frozen, JsonValue, Touch
from evolvent_plugins.tools.schema import make
from evolvent_plugins.tools.search import SearchArguments, search
from evolvent_plugins.tools.text import MAX_BYTES, decode, encode, read_lines
from evolvent_plugins.tools.workspace import Workspace, open_file, said, split_path

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

__all__ = ["MAX_ENTRIES", "make_tools"]

MAX_ENTRIES = 10_000

PATH = Field(max_length=1024, description="Path relative to the workspace, such as notes/today.txt.")
TEXT = Field(max_length=MAX_BYTES, description="The whole text, at most 1 MB as UTF-8.")


class ReadArguments(Frozen):
    """Read a text file of the workspace.

    Returns `text`, the file's size in `bytes`, whether the text was `cut`, and then the `next` line to go on
    from.
    """

    path: str = PATH
    offset: int = Field(default=1, ge=1, le=10**9, description="First line, counted from 1.")
    limit: int = Field(default=100_000, ge=1, le=10**6, description="Number of lines; 1 MB at most.")


class ListArguments(Frozen):
    """List a folder of the workspace.

    Returns `entries` with `name`, `kind` (file, folder or other) and `bytes`, sorted by name, and whether the list was
    `cut` at 10,000.
    """  # fmt: skip

    path: str = Field(default="", max_length=1024, description="The folder; empty for the workspace itself.")


class WriteArguments(Frozen):
    """Write a text file of the workspace, missing folders included. Replaces what was there in one step."""

    path: str = PATH
    text: str = TEXT


class EditArguments(Frozen):
    """Replace a passage of a text file of the workspace. The passage must occur exactly once."""

    path: str = PATH
    search: str = Field(
        min_length=1, max_length=MAX_BYTES, description="The passage, with enough around it to be unique."
    )
    replace: str = Field(max_length=MAX_BYTES, description="What takes its place.")


class DeleteArguments(Frozen):
    """Delete a file, or an empty folder, of the workspace. Nothing brings it back."""

    path: str = PATH


class Files:
    """The tools' functions."""

    def __init__(self, root: Path) -> None:
        self._workspace = Workspace(root)
        self._changing = threading.Lock()

    def read(self, path: str, offset: int, limit: int) -> dict[str, JsonValue]:
        """Return a part of a file."""
        *above, name = _file_parts(path)
        with self._workspace.folder(tuple(above), path) as folder:
            fd, size = open_file(folder, name, path)
        with said(path), open(fd, "rb") as file:
            data, following = read_lines(file, offset, limit, path)
        return {
            "text": decode(data, path),
            "bytes": size,
            "cut": following is not None,
            "next": following,
        }

    def list(self, path: str) -> dict[str, JsonValue]:
        """Return what is in a folder."""
        parts = split_path(path)
        if not parts and not self._workspace.exists():
            return {"entries": [], "cut": False}
        with self._workspace.folder(parts, path) as folder, said(path), os.scandir(folder) as found:
            entries = list(itertools.islice(found, MAX_ENTRIES + 1))
            shown = [_entry(entry) for entry in entries[:MAX_ENTRIES]]
        shown.sort(key=lambda entry: str(entry["name"]))
        return {"entries": [*shown], "cut": len(entries) > MAX_ENTRIES}

    def search(self, text: str, path: str, glob: str, ignore_case: bool, limit: int) -> dict[str, JsonValue]:
        """Return the lines that hold a text."""
        parts = split_path(path)
        if not parts and not self._workspace.exists():
            return {"matches": [], "files": 0, "skipped": 0, "cut": False}
        with self._workspace.folder(parts, path) as folder:
            return search(folder, "/".join(parts), text, glob, ignore_case, limit)

    def write(self, path: str, text: str) -> dict[str, JsonValue]:
        """Write a file."""
        *above, name = _file_parts(path)
        data = encode(text, path)
        with self._changing, self._workspace.folder(tuple(above), path, create=True) as folder:
            self._workspace.replace(folder, name, data, path)
        return {"bytes": len(data)}

    def edit(self, path: str, search: str, replace: str) -> dict[str, JsonValue]:
        """Replace a passage."""
        *above, name = _file_parts(path)
        with self._changing, self._workspace.folder(tuple(above), path) as folder:
            fd, size = open_file(folder, name, path)
            with said(path), open(fd, "rb") as file:
                before = file.read(MAX_BYTES + 1)
            if len(before) > MAX_BYTES:
                raise UsageError(f"{path!r} has {size} bytes; at most {MAX_BYTES} can be edited")
            text = decode(before, path)
            # Looked for again from the next character on: `count` misses occurrences that overlap.
            first = text.find(search)
            if first < 0 or text.find(search, first + 1) >= 0:
                times = "does not occur" if first < 0 else "occurs more than once"
                raise UsageError(
                    f"the passage {search[:60]!r} {times} in {path!r}; read the file, then give a passage that "
                    "occurs exactly once, white space included"
                )
            data = encode(text[:first] + replace + text[first + len(search) :], path)
            self._workspace.replace(folder, name, data, path)
        return {"bytes": len(data), "line": text.count("\n", 0, first) + 1}

    def delete(self, path: str) -> dict[str, JsonValue]:
        """Delete a file or an empty folder."""
        *above, name = _file_parts(path)
        with self._changing, self._workspace.folder(tuple(above), path) as folder:
            self._workspace.remove(folder, name, path)
        return {"deleted": path}


def _file_parts(path: str) -> tuple[str, ...]:
    parts = split_path(path)
    if not parts:
        raise UsageError(f"the path {path!r} is the workspace itself; name something in it, see files.list")
    return parts


def _entry(entry: os.DirEntry[str]) -> dict[str, JsonValue]:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:  # gone since
        return {"name": _printable(entry.name), "kind": "other", "bytes": None}
    kind = "file" if stat.S_ISREG(found.st_mode) else "folder" if stat.S_ISDIR(found.st_mode) else "other"
    return {
        "name": _printable(entry.name),
        "kind": kind,
        "bytes": found.st_size if kind == "file" else None,
    }


def _printable(name: str) -> str:
    """Return a name that JSON can carry: names on disk need not be UTF-8."""
    return name.encode(errors="replace").decode()


def make_tools(root: Path) -> list[BaseTool]:
    """Return the tools for the workspace `root`."""
    files = Files(root)
    reads, writes = [Touch.READS_FILES], [Touch.WRITES_FILES]
    return [
        make("read", ReadArguments, files.read, reads),
        make("list", ListArguments, files.list, reads),
        make("search", SearchArguments, files.search, reads),
        make("write", WriteArguments, files.write, writes),
        make("edit", EditArguments, files.edit, writes),
        make("delete", DeleteArguments, files.delete, [*writes, Touch.IRREVERSIBLE]),
    ]
