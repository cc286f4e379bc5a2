"""Backups that the daemon makes by itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from evolvent.errors import error_text
from evolvent.storage import Home
from evolvent.storage.backups import back_up
from evolvent.storage.backups.archive import SCHEDULED
from evolvent.storage.database_copy import BACKUPS, newest_backup

__all__ = ["KEPT", "Safekeeping"]

_log = logging.getLogger(__name__)

KEPT = 7
"""Scheduled backups that are kept; those that people made are not counted."""
LOOK_SECONDS = 60.0
PATIENCE = 1.25
"""Of the interval: until then it waits for a moment in which no job is done."""
AGAIN_SECONDS = 1800.0
"""After one that failed."""


class Safekeeping:
    """A thread that backs the home up whenever the newest backup is too old, best while nothing is done.

    Args:
        home: of the daemon.
        hours: between two; 0: none are made.
        busy: whether jobs are being done.
        told: hears of each: an empty text, or why it failed.
        wall: Unix time.
    """

    def __init__(
        self,
        home: Home,
        hours: float,
        busy: Callable[[], bool],
        told: Callable[[str], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._home, self._seconds, self._busy, self._told, self._wall = home, hours * 3600.0, busy, told, wall
        self._over = threading.Event()
        self._not_before = 0.0
        self._born = wall()
        self._thread = threading.Thread(target=self._run, name="evolvent-backups", daemon=True)

    def start(self) -> None:
        """Begin."""
        if self._seconds:
            self._thread.start()

    def stop(self) -> None:
        """End; a backup that is being made goes on in its thread, which does not keep the process."""
        self._over.set()

    def last(self) -> str | None:
        """Return when the newest backup in the home was made, ISO 8601 in UTC; None: there is none."""
        newest = newest_backup(self._home.path)
        if newest is None:
            return None
        return datetime.fromtimestamp(newest.stat().st_mtime, UTC).isoformat(timespec="seconds")

    def tick(self) -> bool:
        """Make a backup if it is time; return whether one was made."""
        age, now = self._age(), time.monotonic()
        if not self._seconds or age < self._seconds or now < self._not_before:
            return False
        if self._busy() and age < self._seconds * PATIENCE:
            return False
        try:
            back_up(self._home, scheduled=True, keep=KEPT)
        except Exception as error:
            self._not_before = now + AGAIN_SECONDS
            self._told(f"no backup could be made: {error_text(error, 500)}")
            return False
        self._told("")
        return True

    def _age(self) -> float:
        """Return the seconds since the newest scheduled one; since the start of the daemon where there is none.

        A file of the future, as a clock that was put back leaves it, is no reason to wait.
        """
        made = [path.stat().st_mtime for path in (self._home.path / BACKUPS).glob(f"{SCHEDULED}*")]
        now = self._wall()
        known = [moment for moment in made if moment <= now + LOOK_SECONDS]
        return max(0.0, now - max(known, default=self._born))

    def _run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            try:
                self.tick()
            except OSError as error:  # a file went away just now
                _log.warning("the backups could not be looked at: %s", error_text(error, 300))
