"""The daemon: does queued jobs one after the other, people's first, for weeks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evolvent.daemon.service import Daemon

__all__ = ["Daemon"]


def __getattr__(name: str) -> Any:
    """Import the daemon on first use: who only asks one over HTTP needs none of it."""
    if name != "Daemon":
        raise AttributeError(f"module 'evolvent.daemon' has no attribute {name!r}")
    from evolvent.daemon.service import Daemon

    return Daemon
