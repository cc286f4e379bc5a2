"""What the daemon looks at every second: stops, stalls, disk, clock, budgets, its own memory."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from evolvent.daemon.budgets import DayUsage
from evolvent.daemon.heap import Heap
from evolvent.daemon.holds import Holds
from evolvent.daemon.worker import Workers
from evolvent.errors import error_text
from evolvent.settings import Settings
from evolvent.storage import JobQueue

__all__ = ["Watch"]

_log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
GRACE_SECONDS = 10.0
"""That a stopped job may take to end before its thread is left behind."""
JUMP_SECONDS = 30.0
"""By which the wall clock may leave the monotonic one in one tick before it is called a jump."""


class Watch:
    """A thread that keeps an eye on the daemon.

    Args:
        home: whose disk must not fill up.
        settings: the limits.
        queue: of jobs.
        workers: who do them.
        usage: of the day.
        holds: reasons to begin nothing.
        idle_holds: reasons to begin nothing of what is done in idle time.
        tell: says what happened, and why.
        heap: the process's memory, where nobody else looks after it.
        wall: Unix time.
        free: bytes that are free on the disk of a path.
    """

    def __init__(
        self,
        home: Path,
        settings: Settings,
        queue: JobQueue,
        workers: Workers,
        usage: DayUsage,
        holds: Holds,
        idle_holds: Holds,
        tell: Callable[[str, str], None],
        *,
        heap: Heap | None = None,
        wall: Callable[[], float] = time.time,
        free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        self._home, self._settings, self._queue, self._workers = home, settings, queue, workers
        self._usage, self._holds, self._idle_holds, self._tell = usage, holds, idle_holds, tell
        self._wall, self._free = wall, free
        self._heap = heap
        self._offset = wall() - time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evolvent-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def tick(self) -> None:
        """Look at everything once."""
        self._clock()
        self._disk()
        self._budgets()
        for work in self._workers.works():
            if work.job.id in self._queue.cancelling(work.worker):
                work.stop("cancel", "the job was cancelled")
            limit = self._settings.daemon_stall_seconds
            if work.why in ("", "yield") and work.silent() > limit:
                reason = (
                    f"job {work.job.id} ({work.job.kind}) showed no sign of life for {work.silent():.0f} s"
                )
                self._tell("stalled", reason)
                work.stop("stall", reason)
            if work.why in ("cancel", "stall") and time.monotonic() - work.stopped_at > GRACE_SECONDS:
                self._workers.abandon(work.worker, work)
        self._workers.make_room()
        if self._heap is not None:
            self._heap.tick()

    def _run(self) -> None:
        while not self._over.wait(TICK_SECONDS):
            try:
                self.tick()
            except Exception as error:  # a busy database, say: it is looked at again in a second
                _log.warning("the daemon could not look after itself: %s", error_text(error, 300))

    def _clock(self) -> None:
        offset = self._wall() - time.monotonic()
        jump = offset - self._offset
        self._offset = offset
        if abs(jump) > JUMP_SECONDS:
            self._tell(
                "clock",
                f"the clock jumped by {jump:+.0f} s; jobs that wait for a time wait as long as before",
            )
            self._queue.shift(jump)

    def _disk(self) -> None:
        try:
            free = self._free(self._home) / 1e6
        except OSError as error:
            self._holds.set("disk", f"the free space of {str(self._home)!r} cannot be read: {error}")
            return
        least, held = self._settings.daemon_free_mb, "disk" in self._holds
        if free < least * (1.1 if held else 1.0):  # so that it does not flutter
            self._holds.set(
                "disk",
                f"only {free:.0f} MB are free under {str(self._home)!r} (EVOLVENT_DAEMON_FREE_MB: {least}); "
                "free some space, and it goes on by itself",
            )
        else:
            self._holds.set("disk", "")

    def _budgets(self) -> None:
        self._usage.write()
        spent = self._usage.spent()
        self._idle_holds.set("budget", spent)
        self._holds.set("budget", spent if self._settings.daemon_budget == "all" else "")
