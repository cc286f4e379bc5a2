"""Evolvent: an agent runtime that writes, verifies and keeps its own skills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evolvent.hookspecs import hookimpl
    from evolvent.runtime import Runtime
    from evolvent.settings import Settings
    from evolvent.types import (
        Budget,
        Decision,
        PluginManifest,
        SolveResult,
        Split,
        Task,
        Usage,
        Verdict,
    )

__version__ = "0.1.0"

__all__ = [
    "Budget",
    "Decision",
    "PluginManifest",
    "Runtime",
    "Settings",
    "SolveResult",
    "Split",
    "Task",
    "Usage",
    "Verdict",
    "__version__",
    "hookimpl",
]

_HOMES = {
    "Runtime": "evolvent.runtime",
    "Settings": "evolvent.settings",
    "hookimpl": "evolvent.hookspecs",
    **dict.fromkeys(
        ("Budget", "Decision", "PluginManifest", "SolveResult", "Split", "Task", "Usage", "Verdict"),
        "evolvent.types",
    ),
}


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that `import evolvent` stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'evolvent' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
