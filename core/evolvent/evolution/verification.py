"""Proving that an archive is what it says: hashes, lineage, scores and decisions."""

from __future__ import annotations

from collections.abc import Iterator

from evolvent.evolution.archive import Archive
from evolvent.evolution.gate import compare
from evolvent.evolution.surface import check_surface
from evolvent.types import GateDecision, Split

__all__ = ["verify_archive"]

ROUNDING = 1e-9


def verify_archive(archive: Archive) -> list[str]:
    """Return everything that does not fit together; empty when the archive is sound.

    Recomputed are the hashes of all objects from their content, each variant's id, tree and parents from its commit,
    the mutable surface, scores from evaluations, and each decision at the gate from the evaluations on both sides.
    """
    return [*_programs(archive), *_gates(archive), *_active(archive)]


def _programs(archive: Archive) -> Iterator[str]:
    genomes = archive.genomes
    for variant in archive.variants():
        stored = archive.stored(variant.id)
        faults = genomes.verify(variant.id)
        yield from (f"{variant.id[:10]}: {fault}" for fault in faults)
        if faults:
            continue
        if genomes.tree(variant.id) != stored.tree:
            yield f"{variant.id[:10]}: its files are not those that were measured"
        if genomes.parents(variant.id) != stored.parents:
            yield f"{variant.id[:10]}: its parents differ between commit and database"
        if any(parent not in archive for parent in stored.parents):
            yield f"{variant.id[:10]}: a parent is missing in the archive"
        elif stored.parents and stored.generation != 1 + max(
            archive.stored(parent).generation for parent in stored.parents
        ):
            yield f"{variant.id[:10]}: its generation {stored.generation} does not follow its parents'"
        yield from (f"{variant.id[:10]}: {fault}" for fault in check_surface(genomes.files(variant.id)))


def _gates(archive: Archive) -> Iterator[str]:
    tables = archive.tables
    numbers = [row.number for row in tables.gates()]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"tests at the gate are not numbered one after the other: {numbers}"
    for row in tables.gates():
        decision, asked = GateDecision.model_validate(row.decision), set(row.tasks)
        sides = [
            {
                e.task_id: e.score
                for e in tables.evaluations(row.context, Split.GATE, variant)
                if e.task_id in asked
            }
            for variant in (row.variant, row.incumbent)
        ]
        if sides[0].keys() != sides[1].keys() or len(sides[0]) != decision.comparison.pairs:
            yield f"gate test {row.number}: its evaluations are not those that it was decided on"
            continue
        tasks = list(sides[0])
        found = compare([sides[0][t] for t in tasks], [sides[1][t] for t in tasks])
        if (
            abs(found.difference - decision.comparison.difference) > ROUNDING
            or abs(found.p_value - decision.comparison.p_value) > ROUNDING
        ):
            yield f"gate test {row.number}: the scores give another result than was recorded"
        if row.accepted != (found.difference > 0 and found.p_value <= decision.alpha):
            yield f"gate test {row.number}: it was {'accepted' if row.accepted else 'refused'} against its own rule"


def _active(archive: Archive) -> Iterator[str]:
    active = archive.genomes.active()
    if active is None or active not in archive:
        yield f"the active program {active!r} is not in the archive"
