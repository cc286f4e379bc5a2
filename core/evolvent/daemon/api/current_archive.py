"""The archive as it now is: read anew only where it changed, and not all the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sqlalchemy import func, select

from evolvent.errors import UsageError
from evolvent.evolution.archive import Archive
from evolvent.runtime import Runtime
from evolvent.storage.tables import CandidateRow, EvaluationRow, VariantRow

__all__ = ["CurrentArchive"]

SHARE = 0.1
"""Share of the time that may go into reading an archive that grows: one that takes half a second to read is up to
five seconds old, a small one is always new."""


class CurrentArchive:
    """Gives the archive of a runtime's home, which a job may be growing at the same time.

    Args:
        runtime: an open runtime.
        clock: seconds, monotonic.
    """

    def __init__(self, runtime: Runtime, clock: Callable[[], float] = time.monotonic) -> None:
        self._runtime, self._clock = runtime, clock
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] = ()
        self._archive: Archive | None = None
        self._good_until = 0.0

    def get(self) -> Archive:
        """Return the archive. Which program is active is always that of now.

        Raises:
            UsageError: there is none.
        """
        runtime = self._runtime
        if not runtime.home.genomes.exists():
            raise UsageError("this home has no archive yet; begin with: evolvent evolve SUITE")
        with self._lock:
            if self._archive is not None and self._clock() < self._good_until:
                return self._archive
            seen = self._count()
            if self._archive is None or seen != self._seen:
                started = self._clock()
                services = runtime.evolution
                self._archive, self._seen = Archive(services.tables, services.genomes), seen
                ended = self._clock()
                self._good_until = ended + (ended - started) / SHARE
            return self._archive

    def _count(self) -> tuple[int, ...]:
        with self._runtime.services.engine.connect() as connection:
            return tuple(
                connection.execute(select(func.count()).select_from(row)).scalar_one()
                for row in (VariantRow, CandidateRow, EvaluationRow)
            )
