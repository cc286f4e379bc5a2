"""Files that are on the disk when they are said to be, whole."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["sync", "write_whole"]


def write_whole(path: Path, content: bytes, durable: bool, prefix: str = ".", mode: int = 0o644) -> None:
    """Write a file so that a reader, or a crash, meets the old content or the new one and nothing between.

    Args:
        path: its folder exists.
        content: the whole of it.
        durable: whether content and name are on the disk when this returns.
        prefix: of the name that it has until it is whole; git prunes `tmp_obj_`.
        mode: its permissions.
    """
    part = path.with_name(f"{prefix}{secrets.token_hex(8)}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
