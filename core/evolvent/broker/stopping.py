"""Asking a run to stop, and ending the guests that work for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from evolvent.errors import RunStopped

__all__ = ["Stops"]


class Stops:
    """Which runs are asked to stop.

    Asking kills the guests of the run where they are. What the host is answering at that moment is answered and
    journaled first, and nothing after it is: the run can go on later and pays for nothing twice. The parts of a run,
    whose ids begin with its own and a slash, stop with it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[str, str] = {}
        self._open: list[tuple[str, Callable[[], None]]] = []

    def ask(self, run_id: str, reason: str) -> None:
        """Ask a run to stop; until `withdraw`, it cannot go on either."""
        with self._lock:
            self._asked[run_id] = reason
            closing = [close for owner, close in self._open if _covers(run_id, owner)]
        for close in closing:
            close()

    def withdraw(self, run_id: str) -> None:
        """Let a run go on (again)."""
        with self._lock:
            self._asked.pop(run_id, None)

    def check(self, run_id: str) -> None:
        """Refuse to go on with a run that was asked to stop.

        Raises:
            RunStopped: it was.
        """
        if not self._asked:
            return
        with self._lock:
            reason = next((why for asked, why in self._asked.items() if _covers(asked, run_id)), None)
        if reason is not None:
            raise RunStopped(reason)

    @contextmanager
    def closing(self, run_id: str, close: Callable[[], None]) -> Iterator[None]:
        """Have `close` called, in the asking thread, when the run is asked to stop in here.

        Raises:
            RunStopped: it was already.
        """
        entry = (run_id, close)
        with self._lock:
            self._open.append(entry)
        try:
            self.check(run_id)
            yield
        finally:
            with self._lock:
                self._open.remove(entry)


def _covers(asked: str, run_id: str) -> bool:
    return run_id == asked or run_id.startswith(f"{asked}/")
