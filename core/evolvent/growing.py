"""Wiring evolution into a runtime: the archive, the active program, the evolve graph's services."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evolvent.errors import UnknownName
from evolvent.evolution.promotion import settle
from evolvent.graphs.campaign import EvolveServices
from evolvent.graphs.genome import SEEDS, seed_genome
from evolvent.storage import Ledger
from evolvent.storage.archive import ArchiveTables
from evolvent.storage.genomes import GenomeStore

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from evolvent.graphs import Services
    from evolvent.plugins import PluginHost

__all__ = ["load_genome", "open_evolution", "settle_active"]

ACTIVE = "active"


def load_genome(repository: Path, name: str) -> dict[str, str]:
    """Return the files of an agent program.

    Args:
        repository: of agent programs; it need not be there.
        name: `active` (the seed, while nothing was made active), `seed`, `bare`, or the id of a variant.

    Raises:
        UnknownName: there is no such program.
        IntegrityError: its files are damaged.
    """
    if name in SEEDS:
        return seed_genome(name)
    if not repository.exists():
        if name == ACTIVE:
            return seed_genome()
        raise UnknownName("agent program", name, [ACTIVE, *SEEDS], "This home has no archive yet.")
    genomes = GenomeStore(repository)
    if name != ACTIVE:
        return genomes.files(genomes.resolve(name))
    active = genomes.active()
    return genomes.files(active) if active else seed_genome()


def settle_active(ledger: Ledger, repository: Path) -> None:
    """Finish a promotion that a killed process recorded and did not make."""
    if repository.exists():
        settle(ledger, GenomeStore(repository))


def open_evolution(
    services: Services, plugins: PluginHost, home: Path, repository: Path, embedder: Callable[[], Embeddings]
) -> EvolveServices:
    """Return what the evolve graph works with; the repository of agent programs is made where it is missing."""

    def embed(texts: Sequence[str]) -> list[list[float]]:
        return embedder().embed_documents(list(texts))

    return EvolveServices(
        solving=services,
        plugins=plugins,
        tables=ArchiveTables(services.engine),
        genomes=GenomeStore(repository),
        embed=embed,
        home=home,
    )
