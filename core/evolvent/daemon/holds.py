"""Why the daemon begins nothing at the moment: each reason has a source, which lifts it again."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Holds"]


class Holds:
    """Reasons to wait.

    Args:
        changed: hears when the first reason comes, and with an empty text when the last one is gone.
    """

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._lock = threading.Lock()
        self._reasons: dict[str, str] = {}

    def __contains__(self, source: str) -> bool:
        return source in self._reasons

    def __bool__(self) -> bool:
        return bool(self._reasons)

    @property
    def why(self) -> str:
        """All reasons; empty when there is none."""
        with self._lock:
            return "; ".join(self._reasons.values())

    def set(self, source: str, reason: str) -> None:
        """Say why a source holds, or with an empty text that it does not any more."""
        with self._lock:
            before = bool(self._reasons)
            if reason:
                self._reasons[source] = reason
            else:
                self._reasons.pop(source, None)
            after = bool(self._reasons)
        if before != after:
            self._changed(reason)
