"""Lists that are given in parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

__all__ = ["Limit", "Offset", "Page", "page_of"]

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, le=10_000_000, description="How many to pass over.")]


class Page(BaseModel, Generic[T]):
    """A part of a list."""

    items: list[T]
    next: int | None
    """The `offset` of what follows; null: nothing does."""


def page_of(found: Sequence[T], limit: int, offset: int) -> Page[T]:
    """Return a page of what was found from `offset` on; `found` holds one more than `limit` where more follows."""
    return Page(items=list(found[:limit]), next=offset + limit if len(found) > limit else None)
