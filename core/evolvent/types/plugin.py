"""What is known of a plugin."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from evolvent.types._base import Frozen

__all__ = ["PluginInfo"]


class PluginInfo(Frozen):
    """One plugin that is installed, or was added in memory."""

    name: str
    module: str
    """Where its hooks are."""
    distribution: str | None = None
    """The package that brought it; None when it was added in memory."""
    version: str | None = None
    """Of that package."""
    state: Literal["loaded", "failed", "disabled", "left out"]
    """`disabled`: by `evolvent plugins disable`; `left out`: not among `EVOLVENT_PLUGINS`."""
    reason: str = ""
    """Why it is not loaded."""
    mend: str = ""
    """The command that changes that."""
    hooks: tuple[str, ...] = ()
    """The hooks that it implements."""
    registers: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Kind of thing to the names that it registered."""
    remarks: tuple[str, ...] = ()
    """What it did on import that a plugin should not do."""
    load_ms: float = 0.0
    """Milliseconds that importing and registering took."""
