"""Proving that an archive is what it says: hashes, lineage, scores and decisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from evolvent.evolution.archive import Archive
from evolvent.evolution.gate import compare, is_promising
from evolvent.evolution.spending import ErrorBudget
from evolvent.evolution.surface import check_surface
from evolvent.storage.tables import GateRow
from evolvent.types import GateDecision, JsonValue, Split

__all__ = ["level_of", "verify_archive"]

ROUNDING = 1e-9
COMPARED = ("candidate", "incumbent", "difference", "p_value")
"""Figures of a comparison that must be what the evaluations give. Its interval is a bootstrap's and decides nothing."""


def verify_archive(archive: Archive) -> list[str]:
    """Return everything that does not fit together; empty when the archive is sound.

    Recomputed are the hashes of all objects from their content, each variant's id, tree and parents from its commit,
    the mutable surface, and each decision at the gate: its result from the evaluations on both sides, its level from
    its place and the alpha of its run, its row from the train scores before it, and whether it was accepted from both.
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


def level_of(before: Sequence[GateDecision], decision: GateDecision, alpha: float) -> tuple[int, float]:
    """Return the place in its row, and the level, that a test at the gate has by the rules.

    Args:
        before: the decisions of the archive that came before it.
        decision: the test's; it says which row it is in.
        alpha: what its run may err in all.
    """
    place = 1 + sum(earlier.promising == decision.promising for earlier in before)
    return place, ErrorBudget(alpha=alpha).row(decision.promising).level(place)


def _gates(archive: Archive) -> Iterator[str]:
    rows = archive.tables.gates()
    numbers = [row.number for row in rows]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"tests at the gate are not numbered one after the other: {numbers}"
    before: list[GateDecision] = []
    for row in rows:
        decision = GateDecision.model_validate(row.decision)
        faults = (*_comparison(archive, row, decision), *_rule(archive, row, decision, before))
        yield from (f"gate test {row.number}: {fault}" for fault in faults)
        before.append(decision)


def _comparison(archive: Archive, row: GateRow, decision: GateDecision) -> Iterator[str]:
    """Compare the recorded result with that of the evaluations on both sides."""
    asked, sides = set(row.tasks), []
    for variant in (row.variant, row.incumbent):
        found = archive.tables.evaluations(row.context, Split.GATE, variant)
        sides.append({e.task_id: e.score for e in found if e.task_id in asked})
    ours, theirs = sides
    if ours.keys() != theirs.keys() or not ours or len(ours) != decision.comparison.pairs:
        yield "its evaluations are not those that it was decided on"
        return
    again = compare([ours[task] for task in ours], [theirs[task] for task in ours])
    for what in COMPARED:
        recorded, recomputed = getattr(decision.comparison, what), getattr(again, what)
        if abs(recorded - recomputed) > ROUNDING:
            yield (
                f"the scores give another result than was recorded: {what} {recomputed:.6g}, "
                f"recorded is {recorded:.6g}"
            )


def _rule(
    archive: Archive, row: GateRow, decision: GateDecision, before: Sequence[GateDecision]
) -> Iterator[str]:
    """Compare the decision with what its level and its result demand."""
    if (decision.number, decision.accepted) != (row.number, row.accepted):
        yield (
            f"it is stored as number {row.number}, {_told(row.accepted)}, but the decision says "
            f"{decision.number}, {_told(decision.accepted)}"
        )
    options = archive.tables.options_of(row.run_id)
    if options is None:
        yield f"its run {row.run_id!r} is not in the database, so that its level cannot be recomputed"
    else:
        yield from _row(archive, row, decision, options)
        place, level = level_of(before, decision, float(str(options["alpha"])))
        if place != decision.place:
            yield f"it is test {place} of its row, recorded is {decision.place}"
        if abs(level - decision.alpha) > ROUNDING:
            yield f"its level by the rules is {level:.6g}, recorded is {decision.alpha:.6g}"
    found = decision.comparison
    if row.accepted != (found.difference > 0 and found.p_value <= decision.alpha):
        yield f"it was {_told(row.accepted)} against its own rule"


def _row(
    archive: Archive, row: GateRow, decision: GateDecision, options: Mapping[str, JsonValue]
) -> Iterator[str]:
    """Compare which row of tests it is in with what the train scores before it say."""
    ours, theirs = archive.tables.chosen_by(row)
    both = sorted(ours.keys() & theirs.keys())
    if len(both) > int(str(options["train"])):
        return  # an earlier run with more train tasks measured both: which of them this run had is not known
    if not both:
        yield "it was tested without train scores on the same tasks"
        return
    promising = is_promising([ours[task] for task in both], [theirs[task] for task in both])
    if promising != decision.promising:
        yield (
            f"by its train scores it was {_standing(promising)}, recorded is that it was "
            f"{_standing(decision.promising)}: that settles which row of tests it is in"
        )


def _standing(promising: bool) -> str:
    return "promising" if promising else "not promising"


def _told(accepted: bool) -> str:
    return "accepted" if accepted else "refused"


def _active(archive: Archive) -> Iterator[str]:
    active = archive.genomes.active()
    if active is None or active not in archive:
        yield f"the active program {active!r} is not in the archive"
