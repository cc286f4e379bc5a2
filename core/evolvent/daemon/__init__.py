"""The daemon: does queued jobs one after the other, people's first, for weeks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolvent.first_use import first_use

if TYPE_CHECKING:
    from evolvent.daemon.service import Daemon

__all__ = ["Daemon"]

__getattr__ = first_use(__name__, {"Daemon": "evolvent.daemon.service"})  # a client needs none of it
