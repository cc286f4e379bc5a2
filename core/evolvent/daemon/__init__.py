"""The daemon: does queued jobs one after the other, people's first, for weeks."""

from evolvent.daemon.service import Daemon

__all__ = ["Daemon"]
