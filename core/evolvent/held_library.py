"""The skill library of a home, held for changes without a runtime: no model, no sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from evolvent.library import SkillStore
from evolvent.library.audit import Finding, audit
from evolvent.library.lifecycle import into
from evolvent.protocols import FunctionServer
from evolvent.settings import Settings
from evolvent.storage import Home, Ledger, SkillTrials, open_database

__all__ = ["HeldLibrary", "held_library"]


@dataclass(frozen=True)
class HeldLibrary:
    """What a holder has."""

    store: SkillStore
    ledger: Ledger
    trials: SkillTrials

    def audit(self, unused_days: int = 90, functions: FunctionServer | None = None) -> list[Finding]:
        """Reconcile folders, copies, history and ledger; see `evolvent.library.audit`."""
        told = frozenset(event.key for event in self.ledger.events(kind="skill.moved"))
        return audit(
            self.store,
            tell=into(self.ledger),
            told=told,
            used=self.trials.last_used(),
            unused_days=unused_days,
            functions=functions,
        )


@contextmanager
def held_library(settings: Settings) -> Iterator[HeldLibrary]:
    """Hold a home and give its skills; what is changed is written into the ledger.

    Raises:
        HomeBusy: another process writes to this home.
    """
    home = Home(settings.home)
    home.acquire(settings.lock_wait)
    try:
        engine = open_database(home.database)
        try:
            ledger = Ledger(engine)
            yield HeldLibrary(SkillStore(home.skills, listener=into(ledger)), ledger, SkillTrials(engine))
        finally:
            engine.dispose()
    finally:
        home.release()
