"""Files that are on the disk when they are said to be, whole."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for_all
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

__all__ = ["sync", "write_all", "write_whole"]

AT_ONCE = 64
"""Files that are open, and waited for, at the same time."""
T = TypeVar("T")


def write_whole(path: Path, content: bytes, durable: bool, prefix: str = ".", mode: int = 0o644) -> None:
    """Write a file so that a reader, or a crash, meets the old content or the new one and nothing between.

    Args:
        path: its folder exists.
        content: the whole of it.
        durable: whether content and name are on the disk when this returns.
        prefix: of the name that it has until it is whole; git prunes `tmp_obj_`.
        mode: its permissions.
    """
    write_all({path: content}, durable, prefix, mode)


def write_all(files: Mapping[Path, bytes], durable: bool, prefix: str = ".", mode: int = 0o644) -> None:
    """Write files as `write_whole` writes one, in no order: a crash may leave any of them unwritten.

    All are handed to the disk before the first is waited for, and threads wait for them, so that many cost little
    more than one: the file system commits, and the disk flushes, for all who wait at that moment.

    Args:
        files: path to content.
        durable: whether contents and names are on the disk when this returns.
        prefix: of the names that they have until they are whole.
        mode: their permissions.
    """
    given = list(files.items())
    for start in range(0, len(given), AT_ONCE):
        _write_some(given[start : start + AT_ONCE], durable, prefix, mode)
    if durable:
        _at_once(sync, {path.parent for path in files})


def _write_some(files: list[tuple[Path, bytes]], durable: bool, prefix: str, mode: int) -> None:
    parts = [(path.with_name(f"{prefix}{secrets.token_hex(8)}"), path) for path, _ in files]
    try:
        with ExitStack() as opened:
            handles = []
            for (part, _), (_, content) in zip(parts, files, strict=True):
                handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
                file = opened.enter_context(open(handle, "wb", buffering=0))
                view = memoryview(content)
                while view:
                    view = view[file.write(view) :]
                handles.append(handle)
            if durable:
                _at_once(os.fsync, handles)
        for part, path in parts:
            os.replace(part, path)
    except BaseException:
        for part, _ in parts:
            part.unlink(missing_ok=True)
        raise


def _at_once(wait: Callable[[T], None], given: Collection[T]) -> None:
    """Wait for each, in a thread of its own; waiting takes no processor."""
    if len(given) == 1:
        wait(next(iter(given)))
    elif given:
        threads = _threads(os.getpid())
        waiting = [threads.submit(wait, each) for each in given]
        wait_for_all(waiting)  # whatever one of them raises: the others' files must stay open until then
        for waited in waiting:
            waited.result()


@lru_cache(maxsize=1)
def _threads(process: int) -> ThreadPoolExecutor:
    """Return the threads that wait for the disk: started when they are first needed, anew in a forked process."""
    return ThreadPoolExecutor(AT_ONCE, "evolvent-sync")


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
