"""What became of the daemon's work, day by day: summed up from the ledger, and only what is new is read again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, select

from evolvent.storage.tables import EventRow

__all__ = ["DayFigures", "History"]

JUDGED = frozenset({"solved", "failed", "gave_up", "budget", "error"})
"""Ends of a solve whose answer was judged, or that gave none; `answered` has no judge, `waiting` is no end."""
KINDS = ("run.finished", "skill.decided", "skill.moved", "variant.promoted")
AT_ONCE = 10_000
"""Events that are read in one query."""


@dataclass
class DayFigures:
    """One day in UTC."""

    day: str
    """ISO 8601, such as `2026-11-22`."""
    judged: int = 0
    """Solves that ended and were judged."""
    solved: int = 0
    tokens: int = 0
    """Prompt and output tokens of the judged solves."""
    admitted: int = 0
    """Skills that admission let in."""
    refused: int = 0
    """Skills that admission refused."""
    retired: int = 0
    """Skills that went out of use: retired or quarantined."""
    promoted: int = 0
    """Changes of the active agent program."""

    @property
    def tokens_per_solved(self) -> float | None:
        """Tokens of all judged solves for each one that was solved; None where none was."""
        return self.tokens / self.solved if self.solved else None


class History:
    """Sums of one home's ledger.

    Args:
        engine: of `evolvent.db`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._read = 0
        self._days: dict[str, DayFigures] = {}

    def days(self, newest: int) -> list[DayFigures]:
        """Return the newest days on which something happened, oldest first."""
        with self._lock:
            self._refresh()
            return [self._days[day] for day in sorted(self._days)[-newest:]]

    def _refresh(self) -> None:
        while True:
            query = (
                select(EventRow.id, EventRow.kind, EventRow.at, EventRow.data)
                .where(EventRow.kind.in_(KINDS), EventRow.id > self._read)
                .order_by(EventRow.id)
                .limit(AT_ONCE)
            )
            with self._engine.connect() as connection:
                rows = connection.execute(query).all()
            self._add((row.kind, row.at, row.data) for row in rows)
            if rows:
                self._read = rows[-1].id
            if len(rows) < AT_ONCE:
                return

    def _add(self, events: Iterable[tuple[str, str, Any]]) -> None:
        for kind, at, data in events:
            told = json.loads(data) if isinstance(data, str) else data
            figures = self._days.setdefault(at[:10], DayFigures(at[:10]))
            if kind == "run.finished":
                _count_run(figures, told)
            elif kind == "skill.decided":
                figures.admitted += told["admitted"]
                figures.refused += not told["admitted"]
            elif kind == "skill.moved":
                figures.retired += told["after"] in ("retired", "quarantined")
            else:
                figures.promoted += told["by"] != "seed"


def _count_run(figures: DayFigures, told: dict[str, Any]) -> None:
    if told["status"] in JUDGED:
        usage = told.get("usage") or {}
        figures.judged += 1
        figures.solved += told["status"] == "solved"
        figures.tokens += usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
