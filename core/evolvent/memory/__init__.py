"""What is remembered of attempts."""

from evolvent.memory.episodes import Episodes
from evolvent.memory.lessons import Lessons, SearchIndex

__all__ = ["Episodes", "Lessons", "SearchIndex"]
