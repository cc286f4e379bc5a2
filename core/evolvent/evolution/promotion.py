"""Which program is active, and which was before."""

from __future__ import annotations

from evolvent.errors import UsageError
from evolvent.evolution.archive import Archive
from evolvent.storage import Ledger
from evolvent.types import VariantPromoted

__all__ = ["activate", "previous"]


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
    archive.genomes.set_active(variant)
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
    return before


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
