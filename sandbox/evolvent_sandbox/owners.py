"""Naming a process for good: numbers are used again, a number with the time of its start is not."""

from __future__ import annotations

from pathlib import Path

__all__ = ["start_of"]


def start_of(pid: int, proc: Path = Path("/proc")) -> str:
    """Return when a process began, in ticks since boot; empty when there is none."""
    try:
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return fields[19] if len(fields) > 19 else ""
