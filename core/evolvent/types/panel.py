"""What a panel shows."""

from __future__ import annotations

from pydantic import Field

from evolvent.types._base import Frozen

__all__ = ["PanelData"]


class PanelData(Frozen):
    """A table with a remark; the command line prints it, the dashboard shows it."""

    columns: tuple[str, ...] = Field(min_length=1, max_length=20)
    rows: tuple[tuple[str | int | float | None, ...], ...] = Field(default=(), max_length=1000)
    note: str = Field(default="", max_length=2000)
