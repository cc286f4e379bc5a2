"""Evolvent: an agent runtime that writes, verifies and keeps its own skills."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolvent.first_use import first_use

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

__getattr__ = first_use(
    __name__,
    {
        "Runtime": "evolvent.runtime",
        "Settings": "evolvent.settings",
        "hookimpl": "evolvent.hookspecs",
        **dict.fromkeys(
            ("Budget", "Decision", "PluginManifest", "SolveResult", "Split", "Task", "Usage", "Verdict"),
            "evolvent.types",
        ),
    },
)
