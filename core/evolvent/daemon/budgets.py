"""What was used since midnight UTC, against what a day may use."""

from __future__ import annotations

import resource
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Engine, func, select

from evolvent.settings import Settings
from evolvent.storage import Ledger
from evolvent.storage.tables import EventRow
from evolvent.types import BrokerAnswered, DaemonWorked, DayBudget, Event

__all__ = ["DayUsage"]

WRITE_SECONDS = 60.0
"""CPU seconds after which they are written down; what a kill loses is less."""


class DayUsage:
    """Tokens and dollars of all that crossed the broker, and CPU seconds of this process and its ended children.

    Model calls are in the ledger; CPU time is written there by the daemon. Both are summed up once a day (and at the
    start), then counted as they happen: the daemon is the home's one writer. A docker sandbox's processes belong to
    the engine, and their CPU time is not seen.

    Args:
        engine: of the database.
        ledger: of the home.
        settings: the limits.
        now: the present, in UTC.
    """

    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        settings: Settings,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine, self._ledger, self._settings, self._now = engine, ledger, settings, now
        self._lock = threading.Lock()
        self._process = uuid.uuid4().hex[:12]
        self._written = 0
        self._cpu_before = _cpu()
        self._day = ""
        self._tokens, self._dollars, self._cpu = 0, 0.0, 0.0
        self._turn()

    def hear(self, event: Event) -> None:
        """Count what an event of the ledger says was used."""
        if isinstance(event, BrokerAnswered):
            with self._lock:
                self._tokens += event.usage.tokens
                self._dollars += event.usage.dollars

    def budgets(self) -> tuple[DayBudget, ...]:
        """Return what was used of each."""
        self._turn()
        with self._lock:
            used = (self._tokens, self._dollars, self._cpu + max(0.0, _cpu() - self._cpu_before))
        given = self._settings
        return (
            DayBudget(name="tokens", used=used[0], limit=given.daemon_day_tokens),
            DayBudget(name="dollars", used=round(used[1], 6), limit=given.daemon_day_dollars),
            DayBudget(name="cpu_seconds", used=round(used[2], 3), limit=given.daemon_day_cpu_seconds),
        )

    def spent(self) -> str:
        """Say which budgets of the day are spent; empty when none is."""
        return "; ".join(
            f"the {b.name.replace('_', ' ')} of the day are spent: {b.used:.6g} of {b.limit:.6g} (until midnight UTC)"
            for b in self.budgets()
            if b.spent
        )

    def write(self, *, all_: bool = False) -> None:
        """Write the CPU time down, when it is worth it."""
        with self._lock:
            worked = _cpu() - self._cpu_before
            if worked <= 0 or (worked < WRITE_SECONDS and not all_):
                return
            self._cpu_before += worked
            self._cpu += worked
            self._written += 1
            key = f"worked:{self._process}:{self._written}"
        self._ledger.append(DaemonWorked(key=key, cpu_seconds=worked))

    def _turn(self) -> None:
        """Begin a new day, if it is one."""
        today = self._now().date().isoformat()
        with self._lock:
            if today == self._day:
                return
            if self._day:
                self._cpu_before = _cpu()
            self._day = today
            usage = func.json_extract(EventRow.data, "$.usage")
            sums = [
                func.coalesce(func.sum(func.json_extract(usage, f"$.{name}")), 0)
                for name in ("input_tokens", "output_tokens", "dollars")
            ]
            cpu = func.coalesce(func.sum(func.json_extract(EventRow.data, "$.cpu_seconds")), 0.0)
            with self._engine.connect() as connection:
                known = connection.execute(
                    select(*sums).where(EventRow.kind == "broker.answered", EventRow.at >= today)
                ).one()
                worked = connection.execute(
                    select(cpu).where(EventRow.kind == "daemon.worked", EventRow.at >= today)
                ).scalar_one()
            self._tokens, self._dollars, self._cpu = int(known[0] + known[1]), float(known[2]), float(worked)


def _cpu() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
