"""How far the measuring of programs has come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from evolvent.types import Evaluation, Split

if TYPE_CHECKING:
    from evolvent.evolution.archive import Archive

__all__ = ["Measuring", "Progress"]

KEPT = 64
"""Programs and splits that are under way at once, at most; a run has two to four."""


class Measuring(NamedTuple):
    """What is known of one program on one split by now."""

    variant: str
    split: Split
    done: int
    """Tasks that it was measured on, earlier ones included."""
    of: int
    """Tasks of the split."""
    score: float
    """The mean over those that are done."""
    seconds: float
    """Since the first of them that was measured now."""


class Progress:
    """Tells a listener after each task, from the thread that measured it."""

    def __init__(self, listener: Callable[[Measuring], None]) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._known: dict[tuple[str, Split], tuple[float, dict[str, float]]] = {}
        """When the measuring began, and the scores by task."""

    def add(self, archive: Archive, found: Evaluation, of: int) -> None:
        """Hear of one more task that a program was measured on, of so many of its split."""
        key = found.variant, found.split
        with self._lock:
            if key not in self._known:
                while len(self._known) >= KEPT:
                    del self._known[next(iter(self._known))]
                self._known[key] = time.monotonic() - found.usage.seconds, archive.scores(*key)
            begun, scores = self._known[key]
            scores[found.task_id] = found.score
            seconds = time.monotonic() - begun
            self._listener(Measuring(*key, len(scores), of, fmean(scores.values()), seconds))
