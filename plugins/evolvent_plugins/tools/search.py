"""Looking for a fixed string below a folder.

No regular expressions: Python's engine can take for ever on a hostile one, and cannot be interrupted.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
import time
from collections.abc import Iterator

from pydantic import Field

from evolvent.errors import UsageError
from evolvent.types import Frozen, JsonValue
from evolvent_plugins.tools.text import decode
from evolvent_plugins.tools.workspace import FOLDER_FLAGS, MAX_DEPTH, open_file

__all__ = ["SearchArguments", "search"]

MAX_VISITED = 10_000
MAX_FILE_BYTES = 4_000_000
MAX_TOTAL_BYTES = 64_000_000
MAX_SECONDS = 10.0
MAX_LINE = 300
"""Characters that are shown of a line."""


class SearchArguments(Frozen):
    """Find a fixed text (no regular expression) in the text files of the workspace.

    Returns `matches` with `path`, `line` and `text`, how many `files` were read and how many were `skipped`
    (binary, too large, links), and whether the search was `cut` short.
    """

    text: str = Field(
        min_length=1, max_length=1000, pattern=r"^[^\n]*$", description="What to find within a line."
    )
    path: str = Field(default="", max_length=1024, description="The folder to search; empty for all.")
    glob: str = Field(
        default="*",
        min_length=1,
        max_length=200,
        description="Which files: a pattern such as *.md for names, or src/*.py for paths.",
    )
    ignore_case: bool = Field(default=False, description="Whether capital and small letters are the same.")
    limit: int = Field(default=100, ge=1, le=1000, description="How many matches.")


class _Bounds:
    """What a search may still do."""

    def __init__(self) -> None:
        self.visited = 0
        self.bytes = 0
        self.skipped = 0
        self._end = time.monotonic() + MAX_SECONDS

    def reached(self) -> bool:
        return self.visited > MAX_VISITED or self.bytes > MAX_TOTAL_BYTES or time.monotonic() > self._end


def search(
    folder: int, prefix: str, text: str, glob: str, ignore_case: bool, limit: int
) -> dict[str, JsonValue]:
    """Return the lines below an open folder that hold `text`; paths begin with `prefix`."""
    bounds, matches, files = _Bounds(), list[JsonValue](), 0
    # Compiled here: fnmatch would keep thousands of patterns of guests for ever. Its translation does not backtrack.
    pattern = re.compile(fnmatch.translate(glob))
    wanted = text.casefold() if ignore_case else text
    for path, content in _contents(folder, prefix, pattern, bounds, 0):
        files += 1
        for number, line in enumerate(content.split("\n"), 1):
            if wanted in (line.casefold() if ignore_case else line):
                if len(matches) == limit:
                    return _found(matches, files, bounds, cut=True)
                matches.append({"path": path, "line": number, "text": line[:MAX_LINE]})
    return _found(matches, files, bounds, cut=bounds.reached())


def _found(matches: list[JsonValue], files: int, bounds: _Bounds, cut: bool) -> dict[str, JsonValue]:
    return {"matches": matches, "files": files, "skipped": bounds.skipped, "cut": cut}


def _contents(
    folder: int, prefix: str, glob: re.Pattern[str], bounds: _Bounds, depth: int
) -> Iterator[tuple[str, str]]:
    """Yield path and text of the files below an open folder, sorted by name, until a bound is reached."""
    for name in _names(folder, bounds):
        if bounds.reached():
            return
        path = f"{prefix}/{name}" if prefix else name
        try:
            mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode) and depth < MAX_DEPTH:
                below = os.open(name, FOLDER_FLAGS, dir_fd=folder)
                try:
                    yield from _contents(below, path, glob, bounds, depth + 1)
                finally:
                    os.close(below)
            elif not stat.S_ISREG(mode):
                bounds.skipped += 1
            elif glob.match(path if "/" in glob.pattern else name):
                yield path, _text(folder, name, path, bounds)
        except (OSError, UsageError):  # gone since, unreadable, not text
            bounds.skipped += 1


def _names(folder: int, bounds: _Bounds) -> list[str]:
    names: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            bounds.visited += 1
            if bounds.visited > MAX_VISITED:
                break
            try:
                entry.name.encode()
            except UnicodeEncodeError:  # a name that no path of a guest can say
                bounds.skipped += 1
                continue
            names.append(entry.name)
    return sorted(names)


def _text(folder: int, name: str, path: str, bounds: _Bounds) -> str:
    fd, size = open_file(folder, name, path)
    with open(fd, "rb") as file:
        if size > MAX_FILE_BYTES:
            raise UsageError(f"{path!r} is too large to be searched")
        data = file.read(MAX_FILE_BYTES)
    bounds.bytes += len(data)
    return decode(data, path)
