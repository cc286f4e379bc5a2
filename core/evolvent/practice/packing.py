"""Packing the repository of agent programs beside other work."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from evolvent.storage import GenomeStore

__all__ = ["Packing"]


class Packing:
    """A thread that packs a repository when it is told to; leaving the context ends it, also in the middle.

    Deleting the 24,000 loose files of 8,000 variants takes half a minute, in which evolution goes on.
    """

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="evolvent-packing")
        self._last: Future[int] | None = None

    def begin(self) -> None:
        """Pack, unless the last time has not ended yet.

        Raises:
            IntegrityError: an object that was to be packed last time is damaged.
            OSError: the last pack could not be written.
        """
        if self._last is not None:
            if not self._last.done():
                return
            self._last.result()
        self._last = self._thread.submit(self._pack)

    def __enter__(self) -> Packing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.shutdown()
        if self._last is not None and kind is None:
            self._last.result()

    def _pack(self) -> int:
        # A store of its own: to the run's, this is a process that packs beside it.
        store = GenomeStore(self._repository)
        try:
            return store.pack(self._stop)
        finally:
            store.close()
