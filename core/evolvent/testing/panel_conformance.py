"""What every panel must do; plugin authors call `check_panel` in their tests."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from evolvent.protocols import Panel
from evolvent.testing.contract import asked, require
from evolvent.types import (
    Event,
    JsonValue,
    PanelData,
    RunFinished,
    RunStarted,
    Skill,
    SkillState,
    Usage,
)
from evolvent.types.event import BrokerAnswered, LessonKept, PluginFailed, SkillDecided

__all__ = ["check_panel"]

TITLE = 80
SECONDS = 0.5
"""Far more than the milliseconds that a panel may take, so that a busy machine fails nobody."""
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def check_panel(panel: Panel) -> None:
    """Check a panel against its contract.

    It has a title of one line; on an empty home, on one with one run and on one with thousands of entries it returns
    a PanelData whose rows are as wide as its columns, with finite numbers, within half a second; and it uses
    nothing of the home but what a HomeView offers.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    title = getattr(panel, "title", None)
    require(
        isinstance(title, str) and title.strip() and len(title) <= TITLE and "\n" not in title,
        f"the title is {title!r:.100}; it must be one line of 1 to {TITLE} characters",
    )
    for what, view in (
        ("an empty home", _View([], [])),
        ("a home with one run", _View(_events(1), _skills(1))),
        ("a home with 500 runs", _View(_events(500), _skills(60))),
    ):
        contract = "it must return a PanelData for every home"
        started = time.perf_counter()
        data = asked(f"show() on {what}", contract, lambda view=view: panel.show(view))  # type: ignore[misc]
        seconds = time.perf_counter() - started
        require(
            seconds < SECONDS,
            f"show() on {what} took {seconds:.2f} s; it must take milliseconds",
        )
        require(
            isinstance(data, PanelData),
            f"show() on {what} returns {data!r:.80}; it must return a PanelData",
        )
        _check_rows(what, data)


def _check_rows(what: str, data: PanelData) -> None:
    require(
        len(set(data.columns)) == len(data.columns),
        f"show() on {what} has the columns {data.columns}; each must have a name of its own",
    )
    for row in data.rows:
        require(
            len(row) == len(data.columns),
            f"show() on {what} has a row of {len(row)} cells and {len(data.columns)} columns; every row must be as "
            "wide as the columns",
        )
        for cell in row:
            require(
                not isinstance(cell, float) or math.isfinite(cell),
                f"show() on {what} shows {cell!r}; a number must be finite, and None stands for none",
            )


class _View:
    """A home in memory."""

    def __init__(self, events: list[Event], skills: list[Skill]) -> None:
        self._events, self._skills = events, skills

    def events(self, kind: str | None = None, limit: int = 10_000) -> Sequence[Event]:
        """Return the newest entries, oldest first."""
        found = [event for event in self._events if kind is None or event.kind == kind]
        return tuple(found[max(0, len(found) - limit) :])

    def skills(self) -> Sequence[Skill]:
        """Return the skills."""
        return tuple(self._skills)


def _events(runs: int) -> list[Event]:
    usage = Usage(input_tokens=100, output_tokens=20, model_calls=1, dollars=0.001, seconds=1.5)
    found: list[Event] = []
    for n in range(runs):
        run, at = f"r-{n}", BEGIN + timedelta(minutes=n)
        detail: dict[str, JsonValue] = {"task_id": f"t-{n}", "note": None}
        found += [
            RunStarted(key=f"s{n}", run_id=run, at=at, job="solve", title=f"Question {n} é🙂\x1b[31m"),
            BrokerAnswered(
                key=f"b{n}",
                run_id=run,
                at=at,
                attempt_id=f"{run}-0",
                method="model.complete",
                ok=n % 3 > 0,
                usage=usage,
            ),
            SkillDecided(
                key=f"d{n}", run_id=run, at=at, name=f"skill-{n}", digest="d", admitted=n % 2 > 0, reason=""
            ),
            LessonKept(key=f"l{n}", run_id=run, at=at, lesson_id=f"l-{n}", text="Read twice."),
            PluginFailed(key=f"p{n}", at=at, plugin="theirs", reason="raised ValueError"),
            RunFinished(
                key=f"f{n}", run_id=run, at=at, status=("solved", "failed")[n % 2], usage=usage, detail=detail
            ),
        ]
    return found


def _skills(number: int) -> list[Skill]:
    states = list(SkillState)
    return [
        Skill(
            name=f"skill-{n}",
            description="Does it.",
            body="Body",
            digest=f"d{n}",
            state=states[n % len(states)],
        )
        for n in range(number)
    ]
