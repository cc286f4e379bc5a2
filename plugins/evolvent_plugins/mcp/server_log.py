"""Where a server's stderr goes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["ServerLog"]

LOG_BYTES = 1_000_000
"""Kept twice: in the file and in the one before it."""


class ServerLog:
    """A file for what a server says besides its messages; made at the first byte, bounded."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append; what cannot be kept is dropped: it may not stop the server."""
        with contextlib.suppress(OSError):
            if self._handle is not None and self._size + len(data) > LOG_BYTES:
                self.close()
                self._path.replace(self._path.with_suffix(".log.1"))
            if self._handle is None:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                self._size = os.fstat(self._handle).st_size
            os.write(self._handle, data)
            self._size += len(data)

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
