"""What a provider says of a model."""

from __future__ import annotations

from evolvent.types._base import Frozen

__all__ = ["ModelInfo"]


class ModelInfo(Frozen):
    """One model that can be named."""

    ref: str
    """`provider:name`, as settings and the command line take it."""
    size_bytes: int | None = None
    licence: str = ""
    installed: bool = False
    """Whether it can be used without fetching anything."""
    path: str = ""
    """File on this machine, where there is one."""
    note: str = ""
