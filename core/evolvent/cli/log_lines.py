"""Reading the log of a home, which is replaced by a new file now and then, and showing its lines."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from evolvent.cli.output import printable
from evolvent.logs import LOG

__all__ = ["LogFiles", "shown"]


class LogFiles:
    """The log of a home, over all its files.

    Args:
        folder: of the logs.
        job: id of a job or a run; only lines about it, or a part of it, are given. None: all.
    """

    def __init__(self, folder: Path, job: str | None = None) -> None:
        self.path = folder / LOG
        self._job = job
        self._file: BinaryIO | None = None
        self._begun = b""

    def exist(self) -> bool:
        """Whether anything was logged."""
        return self.path.exists()

    def newest(self, count: int) -> list[bytes]:
        """Return the last lines; `further` goes on after them."""
        found: deque[bytes] = deque(maxlen=count)
        older = sorted(self.path.parent.glob(f"{LOG}.[0-9]*"), key=lambda path: -int(path.suffix[1:]))
        for path in older if count else ():
            with path.open("rb") as file:
                found.extend(line.rstrip(b"\n") for line in file if self._wanted(line))
        found.extend(self.further())
        return list(found)

    def further(self) -> Iterator[bytes]:
        """Yield the whole lines that came since; what was written just before the file was replaced is not missed."""
        while True:
            if self._file is None:
                if not self.path.exists():
                    return
                self._file, self._begun = self.path.open("rb"), b""
            yield from self._rest(self._file)
            try:
                replaced = self.path.stat().st_ino != _inode(self._file)
            except FileNotFoundError:  # between two files
                return
            if not replaced:
                return
            yield from self._rest(self._file)  # written between the reading and the look
            self._file.close()
            self._file = None

    def _rest(self, file: BinaryIO) -> Iterator[bytes]:
        for line in file:
            line, self._begun = self._begun + line, b""
            if not line.endswith(b"\n"):
                self._begun = line
                return
            if self._wanted(line):
                yield line.rstrip(b"\n")

    def _wanted(self, line: bytes) -> bool:
        if self._job is None:
            return True
        try:
            entry = json.loads(line)
            ids = [str(entry.get(name, "")) for name in ("job_id", "run_id")]
        except (ValueError, AttributeError):
            return False
        return any(one == self._job or one.startswith(f"{self._job}/") for one in ids)


def _inode(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino


def shown(line: bytes, as_json: bool) -> str:
    """Return a line for a terminal: one line, whatever a model wrote, and values that cannot be taken for names."""
    text = line.decode("utf-8", "replace")
    if as_json:
        return printable(text)
    try:
        entry = json.loads(text)
        head = [str(entry.pop(name, ""))[:width] for name, width in (("timestamp", 19), ("level", 8))]
        event = str(entry.pop("event", ""))
        entry.pop("logger", None)
        rest = " ".join(
            f"{name}={_value(value)}" for name, value in entry.items() if value not in ("", None, {})
        )
        text = f"{head[0]} {head[1]:<8} {event} {rest}"
    except (ValueError, AttributeError, TypeError):
        pass  # no entry of ours, such as a line that a kill cut off: it is shown as it is
    return printable(text).replace("\n", " ")


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return (
        text if text.isprintable() and not set(text) & set(" =\"'") else json.dumps(text, ensure_ascii=False)
    )
