"""The memory: lessons, and forgetting them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.pages import Limit, Offset, Page, page_of
from evolvent.daemon.api.security import ADMIN, READ
from evolvent.daemon.api.skills import Because
from evolvent.daemon.api.threads import blocking
from evolvent.types import Frozen, JsonValue, Lesson, LessonState

__all__ = ["router"]

router = APIRouter(prefix="/memory", tags=["memory"])


class LessonDetail(Frozen):
    """A lesson, and the attempts that it was given to."""

    lesson: Lesson
    utility: float
    """Chance that an attempt which gets it passes."""
    judged_uses: list[dict[str, JsonValue]]


@router.get("/lessons", dependencies=[READ])
@blocking
def list_lessons(
    here: Here, state: LessonState | None = None, limit: Limit = 100, offset: Offset = 0
) -> Page[Lesson]:
    """List the lessons, oldest first."""
    found = here.daemon.runtime.memory.store.all(state)
    return page_of(found[offset : offset + limit + 1], limit, offset)


@router.get("/search", dependencies=[READ])
@blocking
def search_lessons(
    here: Here,
    q: Annotated[
        str, Query(min_length=1, max_length=10_000, description="A situation, such as a task's prompt.")
    ],
    limit: Annotated[int, Query(ge=1, le=100)] = 5,
) -> list[Lesson]:
    """Return what an attempt at such a task would be given, best first."""
    return here.daemon.runtime.lessons.search(q, limit)


@router.get("/lessons/{lesson_id}", dependencies=[READ])
@blocking
def get_lesson(here: Here, lesson_id: str) -> LessonDetail:
    """Return a lesson by its id or a unique beginning of it."""
    store = here.daemon.runtime.memory.store
    lesson = store.get(lesson_id)
    return LessonDetail(lesson=lesson, utility=lesson.utility, judged_uses=store.uses(lesson.id))


@router.post("/lessons/{lesson_id}/forget", dependencies=[ADMIN])
@blocking
def forget_lesson(here: Here, lesson_id: str, request: Because) -> Lesson:
    """Take a lesson out of use for good. Its row and its history stay."""
    return here.daemon.runtime.memory.store.forget(lesson_id, request.reason.strip())
