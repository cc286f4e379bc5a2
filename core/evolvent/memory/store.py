"""The rows of lessons: every change is one transaction with its entry in the ledger, and no row ever goes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Integer, cast, func, literal, select, update
from sqlalchemy.dialects.sqlite import insert

from evolvent.errors import UnknownName, UsageError
from evolvent.storage import Ledger
from evolvent.storage.tables import LessonRow, LessonUseRow
from evolvent.types import Event, JsonValue, Lesson, LessonChanged, LessonKept, LessonState, LessonUsed

__all__ = ["LessonStore", "Writing"]


class LessonStore:
    """The lessons in the database, read once and then kept in memory: one process writes to a home.

    Args:
        engine: the database; the truth.
        ledger: told of each change.
        clock: the time, in UTC.
    """

    def __init__(
        self, engine: Engine, ledger: Ledger, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._engine = engine
        self._ledger = ledger
        self.clock = clock
        self._lock = threading.RLock()
        self._read: dict[str, Lesson] | None = None
        self.version = 0
        """Grows whenever the set of active lessons may have changed."""

    def all(self, state: LessonState | None = None) -> list[Lesson]:
        """Return every lesson, or those in a state; oldest first."""
        with self._lock:
            return [lesson for lesson in self._known().values() if state in (None, lesson.state)]

    def find(self, lesson_id: str) -> Lesson | None:
        """Return a lesson, or None."""
        with self._lock:
            return self._known().get(lesson_id)

    def get(self, lesson_id: str) -> Lesson:
        """Return a lesson by its id or a unique beginning of it.

        Raises:
            UnknownName: there is none.
            UsageError: several begin like this.
        """
        known = {lesson.id: lesson for lesson in self.all()}
        if lesson_id in known:
            return known[lesson_id]
        found = [key for key in known if lesson_id and key.startswith(lesson_id)]
        if len(found) > 1:
            raise UsageError(
                f"{lesson_id!r} begins {len(found)} lessons: {', '.join(found[:5])}; give more of the id"
            )
        if not found:
            raise UnknownName("lesson", lesson_id, list(known)[-20:], "See `evolvent memory list`.")
        return known[found[0]]

    def uses(self, lesson_id: str) -> list[dict[str, JsonValue]]:
        """Return the judged attempts that a lesson was given to, oldest first."""
        query = select(LessonUseRow).where(LessonUseRow.lesson_id == lesson_id)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(LessonUseRow.at, LessonUseRow.attempt_id))
            return [{"attempt_id": r.attempt_id, "success": r.success, "at": r.at} for r in rows]

    def forget(self, lesson_id: str, reason: str) -> Lesson:
        """Take a lesson out of use for good, because a person says so; its row stays.

        Raises:
            UnknownName: there is no such lesson.
            UsageError: the beginning of an id is not unique.
        """
        lesson = self.get(lesson_id)
        if lesson.state is LessonState.FORGOTTEN:
            return lesson
        with self.writing() as writing:
            return writing.change(
                lesson, reason, evidence={"by": "a person"}, state=LessonState.FORGOTTEN, probing=""
            )

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """Change lessons in one transaction; listeners of the ledger hear of it after the commit.

        Never enter it inside another transaction of the same thread.
        """
        with self._lock:
            known = self._known()
            with self._engine.begin() as connection:
                writing = Writing(connection, self._ledger, known, self.clock())
                yield writing
            changed = writing.changed
            if any(i not in known or known[i].state is not lesson.state for i, lesson in changed.items()):
                self.version += 1
            known.update(changed)
        for event in writing.events:
            self._ledger.tell(event)

    def _known(self) -> dict[str, Lesson]:
        if self._read is None:
            columns = (LessonRow.data, LessonRow.state, LessonRow.created_at)
            query = select(*columns).order_by(LessonRow.created_at, LessonRow.id)
            with self._engine.connect() as connection:
                lessons = [
                    Lesson.model_validate({"created_at": created, **data, "state": state})
                    for data, state, created in connection.execute(query)
                ]
            self._read = {lesson.id: lesson for lesson in lessons}
        return self._read


class Writing:
    """Changes of lessons in one open transaction."""

    def __init__(
        self, connection: Connection, ledger: Ledger, known: dict[str, Lesson], now: datetime
    ) -> None:
        self._connection = connection
        self._ledger = ledger
        self._known = known
        self.now = now
        self.changed: dict[str, Lesson] = {}
        self.events: list[Event] = []

    def find(self, lesson_id: str) -> Lesson | None:
        """Return a lesson as it is within this transaction, or None."""
        return self.changed.get(lesson_id, self._known.get(lesson_id))

    def add(self, lesson: Lesson, run_id: str = "") -> None:
        """Store a new lesson."""
        row = self._row(lesson) | {
            "id": lesson.id,
            "text": lesson.text,
            "situation": lesson.situation,
            "created_at": lesson.created_at.isoformat(timespec="microseconds"),
        }
        self._connection.execute(insert(LessonRow).values(row))
        self._tell(
            LessonKept(
                key=f"lesson:{lesson.id}",
                run_id=run_id,
                lesson_id=lesson.id,
                text=lesson.text,
                state=lesson.state.value,
                reason=lesson.reason,
            )
        )
        self.changed[lesson.id] = lesson

    def change(
        self,
        lesson: Lesson,
        reason: str,
        *,
        run_id: str = "",
        evidence: dict[str, JsonValue] | None = None,
        **fields: Any,
    ) -> Lesson:
        """Write a lesson anew, with the reason and the evidence in the ledger."""
        made = lesson.model_copy(update={**fields, "reason": reason, "revision": lesson.revision + 1})
        self._write(made)
        self._tell(
            LessonChanged(
                key=f"lesson:{made.id}:{made.revision}",
                run_id=run_id,
                lesson_id=made.id,
                before=lesson.state.value,
                after=made.state.value,
                reason=reason,
                evidence=evidence or {},
            )
        )
        return made

    def count(self, lesson: Lesson, attempt_id: str, run_id: str, *, success: bool) -> None:
        """Count that a lesson was given to a judged attempt; once for each attempt."""
        use = {
            "lesson_id": lesson.id,
            "attempt_id": attempt_id,
            "success": success,
            "at": self.now.isoformat(timespec="milliseconds"),
        }
        new = self._connection.execute(insert(LessonUseRow).values(use).on_conflict_do_nothing()).rowcount
        if not new:
            return
        self._write(self.recounted(lesson))
        self._tell(
            LessonUsed(
                key=f"used:{lesson.id}:{attempt_id}",
                run_id=run_id,
                lesson_id=lesson.id,
                attempt_id=attempt_id,
                success=success,
            )
        )

    def take_uses(self, heir: str, lesson_id: str) -> None:
        """Count the uses of one lesson for another one too; an attempt that had both counts once."""
        rows = select(literal(heir), LessonUseRow.attempt_id, LessonUseRow.success, LessonUseRow.at).where(
            LessonUseRow.lesson_id == lesson_id
        )
        columns = ["lesson_id", "attempt_id", "success", "at"]
        self._connection.execute(insert(LessonUseRow).from_select(columns, rows).prefix_with("OR IGNORE"))

    def recounted(self, lesson: Lesson) -> Lesson:
        """Return a lesson with its uses as they are counted in the database."""
        query = select(func.count(), func.coalesce(func.sum(cast(LessonUseRow.success, Integer)), 0)).where(
            LessonUseRow.lesson_id == lesson.id
        )
        uses, successes = self._connection.execute(query).one()
        return lesson.model_copy(update={"uses": int(uses), "successes": int(successes)})

    def _write(self, lesson: Lesson) -> None:
        self._connection.execute(update(LessonRow).where(LessonRow.id == lesson.id).values(self._row(lesson)))
        self.changed[lesson.id] = lesson

    @staticmethod
    def _row(lesson: Lesson) -> dict[str, Any]:
        return {"state": lesson.state.value, "data": lesson.model_dump(mode="json")}

    def _tell(self, event: Event) -> None:
        if self._ledger.append(event, self._connection):
            self.events.append(event)
