"""The pages of the navigation."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PAGES", "Page"]


class Page(NamedTuple):
    """A link of the navigation."""

    title: str
    path: str

    def holds(self, path: str) -> bool:
        """Whether a path belongs to this page."""
        return path == self.path or (self.path != "/" and path.startswith(f"{self.path}/"))


PAGES = (
    Page("Now", "/"),
    Page("Progress", "/progress"),
    Page("Lineage", "/lineage"),
    Page("Skills", "/skills"),
)
"""In the order in which they are shown."""
