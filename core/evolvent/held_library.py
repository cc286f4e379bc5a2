"""The skill library of a home, held for changes without a runtime: no model, no sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from evolvent.library import Router, SkillStore
from evolvent.library.audit import Finding, audit
from evolvent.library.lifecycle import into
from evolvent.plugins import PluginHost
from evolvent.protocols import FunctionServer
from evolvent.search import VectorIndex
from evolvent.search.config import ConfigFile, RetrievalConfig
from evolvent.search.recall import Labelled, Retrievals
from evolvent.settings import Settings
from evolvent.storage import Home, Ledger, SkillTrials, open_database

__all__ = ["HeldLibrary", "HeldRetrieval", "held_library"]

TUNED_ON = 240
"""Newest questions that retrieval is tuned on: the index remembers the embeddings of so many."""


@dataclass(frozen=True)
class HeldLibrary:
    """What a holder has."""

    store: SkillStore
    ledger: Ledger
    trials: SkillTrials
    home: Home
    settings: Settings
    log: Retrievals

    @contextmanager
    def retrieval(self) -> Iterator[HeldRetrieval]:
        """Open the index of the skills; the embedder is loaded when it is first needed.

        Raises:
            UnknownName: the settings name an embedder that nobody registered.
        """
        settings = self.settings
        make = PluginHost(settings=settings).embedders.get(settings.embedder)
        index = VectorIndex(self.home.chroma, "skills", lambda: make(settings), settings.embedder)
        file = ConfigFile(self.home.path)
        try:
            router = Router(self.store, index, settings.router_threshold, config=file.load())
            yield HeldRetrieval(self, router, index, file)
        finally:
            index.close()

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


@dataclass(frozen=True)
class HeldRetrieval:
    """What finds the skills of a held library."""

    library: HeldLibrary
    router: Router
    index: VectorIndex
    file: ConfigFile

    def rank(self, config: RetrievalConfig, query: str) -> list[str]:
        """Return the names that a configuration would offer for a question, best first."""
        self.router.config = config
        return [hit.name for hit in self.router.search(query)]

    def labelled(self, since: datetime | None = None) -> list[Labelled]:
        """Return the newest questions for which a skill proved right that is still in use, and some that none fits.

        Of the second kind there are at most as many, so that what fails for other reasons cannot outvote proofs.
        """
        usable = {skill.name for skill in self.library.store.usable()}
        found = []
        for question in self.library.log.labelled(since=since):
            right = tuple(name for name in question.right if name in usable)
            if right:
                found.append(question.model_copy(update={"right": right}))
        without = self.library.log.unhelped(since=since)
        share = min(len(without), len(found), TUNED_ON // 2)
        return [*found[-(TUNED_ON - share) :], *without[len(without) - share :]]


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
            store = SkillStore(home.skills, listener=into(ledger))
            log = Retrievals(engine, ledger, settings.retrieval_alarm)
            yield HeldLibrary(store, ledger, SkillTrials(engine), home, settings, log)
        finally:
            engine.dispose()
    finally:
        home.release()
