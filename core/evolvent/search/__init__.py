"""Search in texts by meaning and by words: what the skill library and the memory share."""

from evolvent.search.index import Document, Hit, VectorIndex

__all__ = ["Document", "Hit", "VectorIndex"]
