"""Search in texts by meaning and by words: what the skill library and the memory share."""

from evolvent.search.index import Hit, VectorIndex

__all__ = ["Hit", "VectorIndex"]
