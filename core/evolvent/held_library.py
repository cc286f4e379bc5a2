"""The skill library of a home, held for changes without a runtime: no model, no sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from evolvent.library import SkillStore
from evolvent.library.lifecycle import into
from evolvent.settings import Settings
from evolvent.storage import Home, Ledger, open_database

__all__ = ["held_library"]


@contextmanager
def held_library(settings: Settings) -> Iterator[SkillStore]:
    """Hold a home and give its skills; what is changed is written into the ledger.

    Raises:
        HomeBusy: another process writes to this home.
    """
    home = Home(settings.home)
    home.acquire(settings.lock_wait)
    try:
        engine = open_database(home.database)
        try:
            yield SkillStore(home.skills, listener=into(Ledger(engine)))
        finally:
            engine.dispose()
    finally:
        home.release()
