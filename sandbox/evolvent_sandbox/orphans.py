"""Guests that bubblewrap was just setting up when their host was killed.

Until its parent has mapped its user, the process that is to become a guest is not yet tied to its parent's life.
When both die in between, it waits for ever. It is harmless, but it stays; so the next sandbox that opens ends it.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

__all__ = ["end_orphans"]

PROC = Path("/proc")


def end_orphans(bwrap: Path, mark: str, proc: Path = PROC) -> list[int]:
    """End processes that are bubblewrap setting up one of our guests, without a bubblewrap above them.

    Args:
        bwrap: the binary.
        mark: a word of a guest's command line.
        proc: the proc file system.

    Returns:
        Their numbers.
    """
    ended = []
    for process in proc.glob("[0-9]*"):
        words = _command(process)
        if not words or words[0] != str(bwrap) or not any(mark in word for word in words):
            continue
        status = _status(process)
        inside = status.get("NSpid", "").split()[1:]
        parent = _command(proc / status.get("PPid", "0"))
        if inside and inside[-1] == "1" and parent[:1] != [str(bwrap)]:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(process.name), signal.SIGKILL)
                ended.append(int(process.name))
    return ended


def _command(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return []


def _status(process: Path) -> dict[str, str]:
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
