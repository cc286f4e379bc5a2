"""Changing the agent program: what may be changed, and who decides on it."""

from evolvent.evolution.review import review_modification
from evolvent.evolution.surface import check_surface, read_genome

__all__ = ["check_surface", "read_genome", "review_modification"]
