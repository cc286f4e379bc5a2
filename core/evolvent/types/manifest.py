"""What a plugin may declare about itself."""

from __future__ import annotations

from pydantic import Field

from evolvent.types._base import Frozen

__all__ = ["PluginManifest"]


class PluginManifest(Frozen):
    """Declarations of a plugin: `manifest = PluginManifest(...)` in its module. All of it is optional."""

    hooks_version: tuple[int, int] = (1, 0)
    """The `HOOKS_VERSION` that it was written for."""
    seconds: dict[str, float] = Field(default_factory=dict)
    """Hook to the seconds that a call of it may take, where the setting `hook_seconds` is not enough; at most 600."""
