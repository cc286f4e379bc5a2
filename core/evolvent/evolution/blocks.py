"""Reading edits out of a model's text: whole files in fences, and blocks of what to search and what to put there."""

from __future__ import annotations

import re

from evolvent.errors import UsageError
from evolvent.types import JsonValue

__all__ = ["BLOCK_FORMAT", "EditError", "parse_blocks"]

BLOCK_FORMAT = """\
path/of/the/file
<<<<<<< SEARCH
lines as they stand in the file
=======
lines to put in their place
>>>>>>> REPLACE"""
"""The form of a block, to show to a model."""

_PATH = re.compile(r"(?:[\w.-]+/)*[\w.-]+\.(?:py|md|toml)")
_DRESSED = re.compile(
    r"(?:[#*\->\s]*)(?:file|path)?\s*:?\s*[`'\"*]*(?P<path>[\w./-]+)[`'\"*]*\s*:?[*\s]*", re.IGNORECASE
)
_FENCE = re.compile(r"\s{0,3}(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)")
_SEARCH = re.compile(r"<{5,9}\s*SEARCH\b.*")
_MIDDLE = re.compile(r"={5,9}\s*")
_REPLACE = re.compile(r">{5,9}\s*REPLACE\b.*")


def parse_blocks(text: str) -> list[dict[str, JsonValue]]:
    """Return the edits that a text holds, in its order; empty when it holds none.

    Understood are blocks under a line with the path of their file (see `BLOCK_FORMAT`; several may follow one path,
    and fences around them do not matter; an empty SEARCH writes the whole file), and whole files in fences that name
    their path behind the opening fence, on the line above it, or in a comment on the first line inside.

    Raises:
        EditError: a block has no path, or no end.
    """
    return _Reader(text).edits()


class EditError(UsageError):
    """A proposal that cannot be read or applied; the message says which edit and why, for whoever proposed it."""


class _Reader:
    """Goes through the lines once."""

    def __init__(self, text: str) -> None:
        self._lines = text.replace("\r\n", "\n").split("\n")
        self._at = 0
        self._path = ""
        """Of the last line that names one."""
        self._open = ""
        """The fence that it went into, because there are blocks inside."""
        self._near = ""
        """The same as the path, as long as nothing but blank lines came since."""

    def edits(self) -> list[dict[str, JsonValue]]:
        found: list[dict[str, JsonValue]] = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            fence = _FENCE.fullmatch(line)
            if _SEARCH.fullmatch(line.strip()):
                found.append(self._block())
            elif self._open and self._closes(self._at, self._open):
                self._open = ""
                self._at += 1
            elif fence:
                found += self._fenced(fence["fence"], fence["info"])
            else:
                path = _path_of(line)
                self._path = path or self._path
                self._near = path or ("" if line.strip() else self._near)
                self._at += 1
        return found

    def _fenced(self, fence: str, info: str) -> list[dict[str, JsonValue]]:
        """Return the file in the fence that opens here, and go behind it; into it where it has blocks."""
        end = next((n for n in range(self._at + 1, len(self._lines)) if self._closes(n, fence)), None)
        inside = self._lines[self._at + 1 : end]
        first = inside[0].strip() if inside else ""
        comment = _path_of(first) if first.startswith(("#", "<!--", "//")) else ""
        path = _path_in(info) or self._near or comment
        self._near = ""
        if any(_SEARCH.fullmatch(line.strip()) for line in inside):
            self._path, self._open = path or self._path, fence
            self._at += 1
            return []
        if path and end is None:
            raise EditError(
                f"the fence of {path!r} is not closed; end it with {fence}, and give the whole file"
            )
        self._at = (self._at if end is None else end) + 1
        if not path:
            return []
        named_inside = path == comment and not _path_in(info)
        return [{"path": path, "content": "\n".join([*inside[named_inside:], ""])}]

    def _closes(self, number: int, fence: str) -> bool:
        line = self._lines[number].strip()
        return len(line) >= len(fence) and set(line) == {fence[0]}

    def _block(self) -> dict[str, JsonValue]:
        if not self._path:
            raise EditError(
                f"line {self._at + 1}: no line above the block names its file; write it so:\n{BLOCK_FORMAT}"
            )
        begin = self._at
        middle = self._next(_MIDDLE, begin, "=======")
        end = self._next(_REPLACE, middle, ">>>>>>> REPLACE")
        self._at, self._near = end + 1, ""
        search, replace = self._lines[begin + 1 : middle], self._lines[middle + 1 : end]
        after = "\n".join([*replace, ""]) if replace else ""
        if not "".join(search).strip():
            return {"path": self._path, "content": after}
        return {"path": self._path, "search": "\n".join([*search, ""]), "replace": after}

    def _next(self, pattern: re.Pattern[str], begin: int, shown: str) -> int:
        for number in range(begin + 1, len(self._lines)):
            line = self._lines[number].strip()
            if pattern.fullmatch(line):
                return number
            if _SEARCH.fullmatch(line):
                break
        raise EditError(
            f"the block of {self._path!r} that begins in line {begin + 1} has no {shown!r}:\n{BLOCK_FORMAT}"
        )


def _path_of(line: str) -> str:
    """Return the path that a line names and nothing else, however it is dressed up."""
    found = _DRESSED.fullmatch(line.removeprefix("<!--").removesuffix("-->").removeprefix("//"))
    return found["path"] if found and _PATH.fullmatch(found["path"]) else ""


def _path_in(info: str) -> str:
    """Return the path among the words behind an opening fence."""
    words = [re.sub(r"^(?:file|path|title|filename)[=:]", "", word).strip("`'\"{}") for word in info.split()]
    return next((word for word in words if _PATH.fullmatch(word)), "")
