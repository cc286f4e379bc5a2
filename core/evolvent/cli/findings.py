"""What the doctor says of one thing."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Finding"]


class Finding(NamedTuple):
    """One thing that was looked at."""

    what: str
    state: str
    """`ok`, `missing` or `note`."""
    detail: str
    mend: str = ""
