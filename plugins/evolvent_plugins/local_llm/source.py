"""What the sources of model files have in common."""

from __future__ import annotations

__all__ = ["SourceFailed"]


class SourceFailed(Exception):
    """A source could not deliver; the next one is tried. Never leaves this package."""
