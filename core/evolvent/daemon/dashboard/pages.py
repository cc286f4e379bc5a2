"""The pages of the navigation."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PAGES", "Page"]


class Page(NamedTuple):
    """A link of the navigation."""

    title: str
    path: str
    more: tuple[str, ...] = ()
    """Further beginnings of paths that belong to it."""

    def holds(self, path: str) -> bool:
        """Whether a path belongs to this page."""
        rooms = [room for room in (self.path, *self.more) if room != "/"]
        return path == self.path or any(path == room or path.startswith(f"{room}/") for room in rooms)


PAGES = (
    Page("Now", "/", more=("/jobs",)),
    Page("Progress", "/progress"),
    Page("Lineage", "/lineage"),
    Page("Skills", "/skills"),
    Page("Runs", "/runs"),
    Page("Approvals", "/approvals"),
    Page("Health", "/health"),
)
"""In the order in which they are shown."""
