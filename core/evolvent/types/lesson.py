"""What is remembered of attempts, beside the attempts themselves."""

from __future__ import annotations

from evolvent.types._base import Frozen

__all__ = ["Lesson"]


class Lesson(Frozen):
    """A short principle distilled from attempts."""

    id: str
    text: str
    """The principle, in words that can stand in a prompt."""
    situation: str
    """The kind of task that it is about; retrieval matches new prompts against it."""
    sources: tuple[str, ...] = ()
    """Ids of the attempts that it was distilled from."""
