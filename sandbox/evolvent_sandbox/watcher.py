"""The bound of a guest's common memory where no control group can be written: a thread that adds it up.

Weaker than a control group, which refuses the page that is one too many: between two looks a fast program can
pass the bound. Pages that forked processes share count once for each of them, and files in the scratch folder
count only where the host may look at it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["MemoryWatcher", "tree_memory"]

LOOK_SECONDS = 0.02
INODE = 1024
"""Bytes that the kernel takes for a file in memory, roughly."""
PROC = Path("/proc")


class _State:
    """What the watcher and its thread share; the thread must not keep the watcher itself alive."""

    def __init__(self, scratch: str | None) -> None:
        self.scratch = scratch
        self.changed = threading.Condition()
        self.watched: dict[int, tuple[int, Callable[[str], None]]] = {}
        self.closed = False
        self.thread: threading.Thread | None = None


class MemoryWatcher:
    """Ends guests whose processes together hold more than they may."""

    def __init__(self, scratch: str | None = None) -> None:
        """Begin without a guest.

        Args:
            scratch: path inside of the guests' file system in memory, which counts too.
        """
        self._state = _State(scratch)
        self._finalizer = weakref.finalize(self, _stop, self._state)

    def watch(self, pid: int, total_bytes: int, end: Callable[[str], None]) -> None:
        """Watch a process and all below it, from now on or with another bound.

        Args:
            pid: the first process.
            total_bytes: what all of them may hold together.
            end: called with the name of the limit when they hold more.
        """
        state = self._state
        with state.changed:
            state.watched[pid] = (total_bytes, end)
            if state.thread is None:
                state.thread = threading.Thread(
                    target=_serve, args=(state,), name="evolvent-memory", daemon=True
                )
                state.thread.start()
            state.changed.notify()

    def forget(self, pid: int) -> None:
        """Watch a process no longer."""
        with self._state.changed:
            self._state.watched.pop(pid, None)

    def close(self) -> None:
        """End the thread. May be called twice."""
        self._finalizer()


def _serve(state: _State) -> None:
    while True:
        with state.changed:
            while not (state.closed or state.watched):
                state.changed.wait()
            if state.closed:
                return
            watched = list(state.watched.items())
        for pid, entry in watched:
            total_bytes, end = entry
            if tree_memory(pid, state.scratch) > total_bytes:
                with state.changed:
                    if state.watched.get(pid) is not entry:  # forgotten, or bounded anew, meanwhile
                        continue
                    del state.watched[pid]
                end("total_memory_bytes")
        time.sleep(LOOK_SECONDS)


def _stop(state: _State) -> None:
    with state.changed:
        state.closed = True
        state.changed.notify()


def tree_memory(pid: int, scratch: str | None = None, proc: Path = PROC) -> int:
    """Return the bytes of anonymous memory, shared or not, that a process and all below it hold.

    Args:
        pid: the first process.
        scratch: path, as that process sees it, of a file system in memory that counts too.
        proc: the proc file system.
    """
    held = sum(_held(proc / str(member)) for member in _tree(pid, proc))
    if scratch is not None:
        with contextlib.suppress(OSError):  # only root may look into an undumpable process
            found = os.statvfs(f"{proc}/{pid}/root{scratch}")
            held += (found.f_blocks - found.f_bfree) * found.f_frsize
            held += (found.f_files - found.f_ffree) * INODE
    return held


def _tree(pid: int, proc: Path) -> Iterator[int]:
    waiting = [pid]
    while waiting:
        member = waiting.pop()
        yield member
        with contextlib.suppress(OSError):
            for task in os.listdir(proc / str(member) / "task"):
                with contextlib.suppress(OSError):
                    children = (proc / str(member) / "task" / task / "children").read_text()
                    waiting += map(int, children.split())


def _held(process: Path) -> int:
    """Return the bytes of a process that lie in memory and in no file of a disk."""
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))
