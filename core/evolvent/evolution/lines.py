"""Which part of a large archive is worth drawing."""

from __future__ import annotations

from evolvent.evolution.archive import Archive

__all__ = ["lines_of"]


def lines_of(archive: Archive, limit: int) -> tuple[set[str], int]:
    """Return the variants to draw, and how many are left out.

    Drawn are the active one, then the best ones, each with its line of first parents.
    """
    variants = archive.variants()
    if len(variants) <= limit:
        return {v.id for v in variants}, 0
    active = archive.genomes.active()
    order = sorted(variants, key=lambda v: (v.id != active, not v.trials, -v.score, -v.trials))
    shown: set[str] = set()
    for variant in order:
        line = []
        current = variant.id
        while current not in shown:
            line.append(current)
            parents = archive.stored(current).parents
            if not parents:
                break
            current = parents[0]
        if shown and len(shown) + len(line) > limit:
            continue
        shown |= set(line)
        if len(shown) >= limit:
            break
    return shown, len(variants) - len(shown)
