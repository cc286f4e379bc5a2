"""A home to read only: what panels get."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine

from evolvent.library import SkillStore
from evolvent.storage import Home, Ledger, open_database
from evolvent.types import Event, Skill

__all__ = ["StoredHome"]


class StoredHome:
    """`evolvent.protocols.HomeView` of a folder; one that is not there is empty. Takes no lock."""

    def __init__(self, home: Path) -> None:
        self._home = Home(home)

    def events(self, kind: str | None = None, limit: int = 10_000) -> Sequence[Event]:
        """Return the newest `limit` entries of the ledger, oldest first."""
        if not self._home.database.exists():
            return []
        return Ledger(self._engine).newest(kind, limit)

    def skills(self) -> Sequence[Skill]:
        """Return all skills of the library."""
        return SkillStore(self._home.skills, repair=False).list()

    @cached_property
    def _engine(self) -> Engine:
        return open_database(self._home.database)
