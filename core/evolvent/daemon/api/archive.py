"""The archive of agent programs: its lineage, and which of them is active."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.pages import Limit, Offset, Page, page_of
from evolvent.daemon.api.security import ADMIN, READ
from evolvent.daemon.api.threads import blocking
from evolvent.errors import UsageError
from evolvent.evolution.archive import Archive
from evolvent.evolution.intervals import score_interval
from evolvent.evolution.promotion import activate, previous
from evolvent.growing import load_genome
from evolvent.types import Frozen, JsonValue

__all__ = [
    "VariantDetail",
    "VariantDiff",
    "VariantId",
    "VariantSummary",
    "compare",
    "detail_of",
    "make_active",
    "router",
    "summary_of",
]

router = APIRouter(prefix="/archive", tags=["archive"])

VariantId = Annotated[
    str, Path(min_length=1, max_length=64, description="Its id or the beginning of it; also: active, best.")
]


class VariantSummary(Frozen):
    """A variant of the agent program. Times are ISO 8601 in UTC."""

    id: str
    parents: list[str]
    generation: int
    active: bool
    operator: str
    hypothesis: str
    viable: bool
    trials: int
    passed: int
    score: float | None
    """Mean over its train tasks; null: it was not measured."""
    interval: tuple[float, float] | None
    created_at: str


class VariantDetail(VariantSummary):
    """A variant with all that it did."""

    run: str
    reason: str
    """Why it is not viable."""
    scores: dict[str, float]
    gates: list[dict[str, JsonValue]]
    files: dict[str, int]
    """Path to length in characters."""


class VariantDiff(Frozen):
    """What changed between two variants, and why."""

    old: str
    new: str
    hypotheses: list[str]
    """On the way from one to the other, the newest last."""
    diff: str
    """Unified, of all files."""


class PromoteRequest(Frozen):
    """Why; it is kept."""

    because: str = Field(default="", max_length=1000)


class Promoted(Frozen):
    """Which program is active now, and which was."""

    active: str
    before: str


@router.get("/variants", dependencies=[READ])
@blocking
def list_variants(here: Here, limit: Limit = 100, offset: Offset = 0) -> Page[VariantSummary]:
    """List the variants, oldest first; `parents` makes the tree of them. A home without an archive has none."""
    if not here.daemon.runtime.home.genomes.exists():
        return page_of([], limit, offset)
    archive = here.archive.get()
    found = archive.variants()[offset : offset + limit + 1]
    active = archive.genomes.active()
    return page_of([summary_of(archive, v.id, active) for v in found], limit, offset)


@router.get("/variants/{variant}", dependencies=[READ])
@blocking
def get_variant(here: Here, variant: VariantId) -> VariantDetail:
    """Return a variant: where it comes from, what it was for, what it did."""
    archive = here.archive.get()
    return detail_of(archive, archive.resolve(variant))


@router.get("/variants/{variant}/files", dependencies=[READ])
@blocking
def get_files(here: Here, variant: VariantId) -> dict[str, str]:
    """Return the files of a variant."""
    archive = here.archive.get()
    return dict(archive.genomes.files(archive.resolve(variant)))


@router.get("/variants/{variant}/diff", dependencies=[READ])
@blocking
def diff_variant(
    here: Here,
    variant: VariantId,
    against: Annotated[
        str | None, Query(min_length=1, max_length=64, description="Default: its first parent.")
    ] = None,
) -> VariantDiff:
    """Show what a variant changed, and why."""
    archive = here.archive.get()
    return compare(archive, archive.resolve(variant), against)


@router.post("/variants/{variant}/promote", dependencies=[ADMIN])
@blocking
def promote_variant(here: Here, variant: VariantId, request: PromoteRequest) -> Promoted:
    """Make a variant the active program: what jobs use that begin from now on."""
    archive = here.archive.get()
    return make_active(here, archive, archive.resolve(variant), request.because or "promoted by a person")


@router.post("/rollback", dependencies=[ADMIN])
@blocking
def rollback_archive(here: Here, request: PromoteRequest) -> Promoted:
    """Make the program active that was active before."""
    archive = here.archive.get()
    wanted = previous(here.daemon.runtime.ledger, archive)
    return make_active(here, archive, wanted, request.because or "rolled back by a person")


def make_active(here: Here, archive: Archive, variant: str, because: str) -> Promoted:
    """Make a variant the active program because a person wants it.

    Raises:
        UsageError: it is active already, or not viable.
    """
    runtime = here.daemon.runtime
    before = activate(runtime.ledger, archive, variant, because)
    runtime.services.genome = load_genome(runtime.home.genomes, runtime.settings.genome)
    return Promoted(active=variant, before=before)


def summary_of(archive: Archive, variant: str, active: str | None) -> VariantSummary:
    """Return what is known of a variant without its files; `active` is the id of the active one."""
    return VariantSummary(**_summary(archive, variant, active))


def detail_of(archive: Archive, variant: str) -> VariantDetail:
    """Return what is known of a variant."""
    stored = archive.stored(variant)
    return VariantDetail(
        **_summary(archive, variant, archive.genomes.active()),
        run=stored.run_id,
        reason=stored.reason,
        scores=dict(archive.variant(variant).scores),
        gates=[row.decision for row in archive.tables.gates(variant=variant)],
        files={path: len(text) for path, text in archive.genomes.files(variant).items()},
    )


def compare(archive: Archive, new: str, against: str | None) -> VariantDiff:
    """Return what changed between two variants.

    Args:
        archive: which has both.
        new: id of the later one.
        against: beginning of the id of the earlier one; None: the first parent of `new`.

    Raises:
        UsageError: there is no parent to compare with.
        UnknownName: there is no variant `against`.
    """
    if against is None:
        parents = archive.stored(new).parents
        if not parents:
            raise UsageError(f"{new[:10]} is a seed: it has no parent to compare with; say `against` what")
        old = parents[0]
    else:
        old = archive.resolve(against)
    return VariantDiff(
        old=old, new=new, hypotheses=_why(archive, old, new), diff=archive.genomes.diff(old, new)
    )


def _summary(archive: Archive, variant: str, active: str | None) -> dict[str, Any]:
    stored, seen = archive.stored(variant), archive.variant(variant)
    return {
        "id": variant,
        "parents": list(stored.parents),
        "generation": stored.generation,
        "active": variant == active,
        "operator": stored.operator,
        "hypothesis": stored.hypothesis,
        "viable": seen.viable,
        "trials": seen.trials,
        "passed": seen.passed,
        "score": seen.score if seen.trials else None,
        "interval": score_interval(seen) if seen.trials else None,
        "created_at": stored.created_at,
    }


def _why(archive: Archive, old: str, new: str) -> list[str]:
    told: list[str] = []
    current = new
    while current != old:
        stored = archive.stored(current)
        told.append(f"{current[:10]} by {stored.operator}: {stored.hypothesis or 'no hypothesis'}")
        if not stored.parents:
            break
        current = stored.parents[0]
    return told[::-1]
