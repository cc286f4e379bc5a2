"""Which program is active, and which was before."""

from __future__ import annotations

from evolvent.errors import UsageError
from evolvent.evolution.archive import Archive
from evolvent.storage import GenomeStore, Ledger
from evolvent.types import VariantPromoted

__all__ = ["activate", "previous", "settle"]


def activate(ledger: Ledger, archive: Archive, variant: str, because: str) -> str:
    """Make a variant the active program because a person wants it; return the one before.

    Raises:
        UsageError: it is active already, or not viable.
    """
    before = archive.genomes.active() or ""
    if variant == before:
        raise UsageError(f"{variant[:10]} is the active program already")
    stored = archive.stored(variant)
    if not stored.viable:
        raise UsageError(f"{variant[:10]} is not viable: {stored.reason}; choose another one")
    archive.genomes.files(variant)  # damaged files must not become active
    # First the record: what was recorded is made true at the next start, should this process end in between.
    count = sum(1 for _ in ledger.events(kind="variant.promoted"))
    ledger.append(
        VariantPromoted(
            key=f"promoted:person:{count}:{variant}",
            variant=variant,
            before=before,
            by="person",
            reason=because[:1_000],
        )
    )
    archive.genomes.set_active(variant)
    return before


def settle(ledger: Ledger, genomes: GenomeStore) -> bool:
    """Make that program active to which the last recorded promotion was; return whether it was not.

    A process that was killed between the record of a promotion and the change of the branch leaves the two apart.
    """
    last = next(iter(ledger.newest("variant.promoted", 1)), None)
    if (
        not isinstance(last, VariantPromoted)
        or last.variant == genomes.active()
        or not genomes.contains(last.variant)
    ):
        return False
    genomes.set_active(last.variant)
    return True


def previous(ledger: Ledger, archive: Archive) -> str:
    """Return the program that was active before the one that is active now.

    Going back twice goes back two programs: what was left by going back is passed over.

    Raises:
        UsageError: there was none.
    """
    active = archive.genomes.active() or ""
    trail: list[str] = []
    for event in ledger.events(kind="variant.promoted"):
        if not isinstance(event, VariantPromoted) or not event.before:
            continue
        if trail and trail[-1] == event.variant:
            trail.pop()  # a step back
        else:
            trail.append(event.before)
    if not trail or trail[-1] == active:
        raise UsageError(f"nothing was active before {active[:10] or 'now'}; there is nothing to go back to")
    return trail[-1]
