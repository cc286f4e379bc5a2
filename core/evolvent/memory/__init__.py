"""What is remembered of attempts."""

from evolvent.memory.lessons import Lessons, SearchIndex

__all__ = ["Lessons", "SearchIndex"]
