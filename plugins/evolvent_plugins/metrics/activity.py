"""The panel `activity`: the last seven days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from evolvent.protocols import HomeView
from evolvent.types import PanelData, RunFinished, SkillDecided

__all__ = ["Activity"]

DAYS = 7
MAX_EVENTS = 5_000
"""Entries of each kind that are looked at: a panel takes milliseconds."""
COLUMNS = ("day (UTC)", "solves", "solved", "tokens", "skills admitted", "skills rejected")


def _now() -> datetime:
    return datetime.now(UTC)


class Activity:
    """Solves, how many of those that were judged passed, tokens, and what became of proposed skills."""

    title = "Activity of the last seven days"

    def __init__(self, now: Callable[[], datetime] = _now) -> None:
        self._now = now

    def show(self, view: HomeView) -> PanelData:
        """Return a row for each day, newest first."""
        today = self._now().astimezone(UTC).date()
        days = {today - timedelta(days=back): _Day() for back in range(DAYS)}
        finished = view.events("run.finished", MAX_EVENTS)
        decided = view.events("skill.decided", MAX_EVENTS)
        for event in (*finished, *decided):
            day = days.get(event.at.astimezone(UTC).date())
            if day is not None:
                day.add(event)
        cut = any(
            len(events) >= MAX_EVENTS and events[0].at.astimezone(UTC).date() in days
            for events in (finished, decided)
        )
        return PanelData(
            columns=COLUMNS,
            rows=tuple(day.row(at) for at, day in days.items()),
            note="'solved' is the share of the solves that were judged."
            + (f" Older entries than the newest {MAX_EVENTS} are left out." if cut else ""),
        )


class _Day:
    def __init__(self) -> None:
        self._solves = self._judged = self._solved = self._tokens = 0
        self._skills = {True: 0, False: 0}

    def add(self, event: object) -> None:
        if isinstance(event, SkillDecided):
            self._skills[event.admitted] += 1
        elif (
            isinstance(event, RunFinished) and event.status != "finished"
        ):  # else a job: the sum of its solves
            self._solves += 1
            self._judged += event.status in ("solved", "failed")
            self._solved += event.status == "solved"
            self._tokens += event.usage.tokens

    def row(self, at: date) -> tuple[str | int | None, ...]:
        share = f"{self._solved / self._judged:.0%}" if self._judged else None
        return (at.isoformat(), self._solves, share, self._tokens, self._skills[True], self._skills[False])
