"""Naming a process for good: numbers are used again, a number with the time of its start is not."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["is_gone", "start_of"]


def start_of(pid: int, proc: Path = Path("/proc")) -> str:
    """Return when a process began, in ticks since boot; empty when there is none."""
    try:
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return fields[19] if len(fields) > 19 else ""


def is_gone(pid: int, started: str) -> bool:
    """Whether a process that began at a time has surely ended; one that may not be looked at has not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it lives, as another user
        pass
    now = start_of(pid)
    return bool(now) and now != started
