"""Lessons: what failed attempts leave for the next ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlalchemy import Engine, select
from sqlalchemy.dialects.sqlite import insert

from evolvent.storage import Ledger
from evolvent.storage.tables import LessonRow
from evolvent.types import Lesson, LessonKept, digest

__all__ = ["Lessons", "SearchIndex"]


class _Found(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def similarity(self) -> float: ...


class SearchIndex(Protocol):
    """The part of a vector index that the memory uses."""

    def sync(self, documents: Mapping[str, tuple[str, str, Mapping[str, str]]]) -> None:
        """Make the index hold exactly these documents: id -> (version, text, metadata)."""
        ...

    def search(self, query: str, limit: int = 5) -> Sequence[_Found]:
        """Return the best documents, best first."""
        ...


class Lessons:
    """The lessons in the database, found again by the situation that they are about."""

    def __init__(self, engine: Engine, index: SearchIndex, ledger: Ledger, threshold: float = 0.45) -> None:
        """Open the lessons.

        Args:
            engine: the database; the truth.
            index: an index that can be rebuilt from it.
            ledger: told of each new lesson.
            threshold: cosine similarity below which a lesson is not about the situation at hand.
        """
        self._engine = engine
        self._index = index
        self._ledger = ledger
        self._threshold = threshold
        self._known: list[Lesson] = []
        self._dirty = True

    def keep(self, text: str, situation: str, sources: Sequence[str], run_id: str = "") -> Lesson:
        """Store a lesson; the same text about the same situation is stored once."""
        lesson = Lesson(
            id="l-" + digest([text, situation]), text=text, situation=situation, sources=tuple(sources)
        )
        with self._engine.begin() as connection:
            connection.execute(
                insert(LessonRow)
                .values(id=lesson.id, text=text, situation=situation, data=lesson.model_dump(mode="json"))
                .on_conflict_do_nothing()
            )
        self._ledger.append(
            LessonKept(key=f"lesson:{lesson.id}", run_id=run_id, lesson_id=lesson.id, text=text)
        )
        self._dirty = True
        return lesson

    def all(self) -> list[Lesson]:
        """Return every lesson, oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(LessonRow.data).order_by(LessonRow.created_at, LessonRow.id))
            return [Lesson.model_validate(data) for (data,) in rows]

    def search(self, query: str, limit: int = 3) -> list[Lesson]:
        """Return at most `limit` lessons about situations like `query`, best first."""
        lessons = {lesson.id: lesson for lesson in self._current()}
        if not lessons:
            return []
        hits = self._index.search(query, limit)
        return [lessons[hit.id] for hit in hits if hit.similarity >= self._threshold and hit.id in lessons]

    def _current(self) -> list[Lesson]:
        if self._dirty:
            self._known = self.all()
            self._index.sync({k.id: (digest([k.text, k.situation]), k.situation, {}) for k in self._known})
            self._dirty = False
        return self._known
