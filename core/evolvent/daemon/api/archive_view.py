"""The archive as it now is: read anew only where it changed."""

from __future__ import annotations

import threading

from sqlalchemy import func, select

from evolvent.errors import UsageError
from evolvent.evolution.archive import Archive
from evolvent.runtime import Runtime
from evolvent.storage.tables import CandidateRow, EvaluationRow, VariantRow

__all__ = ["ArchiveView"]


class ArchiveView:
    """Gives the archive of a runtime's home, which a job may be growing at the same time."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] = ()
        self._archive: Archive | None = None

    def get(self) -> Archive:
        """Return the archive.

        Raises:
            UsageError: there is none.
        """
        runtime = self._runtime
        if not runtime.home.genomes.exists():
            raise UsageError("this home has no archive yet; begin with: evolvent evolve SUITE")
        with self._lock:
            seen = self._count()
            if self._archive is None or seen != self._seen:
                services = runtime.evolution
                self._archive, self._seen = Archive(services.tables, services.genomes), seen
            return self._archive

    def _count(self) -> tuple[int, ...]:
        with self._runtime.services.engine.connect() as connection:
            return tuple(
                connection.execute(select(func.count()).select_from(row)).scalar_one()
                for row in (VariantRow, CandidateRow, EvaluationRow)
            )
