"""What plugins show of a home, and how they check themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from evolvent.types import Event, PanelData, Skill

if TYPE_CHECKING:
    from evolvent.settings import Settings

__all__ = ["Check", "HomeView", "Panel"]


class HomeView(Protocol):
    """A home, to read only."""

    def events(self, kind: str | None = None, limit: int = 10_000) -> Sequence[Event]:
        """Return the newest `limit` entries of the ledger, oldest first."""
        ...

    def skills(self) -> Sequence[Skill]:
        """Return all skills of the library."""
        ...


@runtime_checkable
class Panel(Protocol):
    """Something that people want to see of a home."""

    title: str

    def show(self, view: HomeView) -> PanelData:
        """Return what there is to see now; takes milliseconds, and changes nothing."""
        ...


Check = Callable[["Settings"], "str | None"]
"""Raises, or returns a remark for people; nothing to remark: None."""
