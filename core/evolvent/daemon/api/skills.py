"""Skills: find them, look into them, and decide on them."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.pages import Limit, Offset, Page, page_of
from evolvent.daemon.api.security import ADMIN, READ
from evolvent.daemon.api.threads import blocking
from evolvent.library import SkillStore
from evolvent.library.composition import requires
from evolvent.library.evidence import Evidence, weigh
from evolvent.library.format import read_moves
from evolvent.library.rebinding import Retest, retest_dependents
from evolvent.library.versions import diff_versions, find_version
from evolvent.library.word_search import search_words
from evolvent.types import AdmissionReport, Frozen, Skill, SkillMove, SkillState

__all__ = ["SkillSummary", "router"]

router = APIRouter(tags=["skills"])


class SkillSummary(Frozen):
    """A skill without its contents."""

    name: str
    description: str
    state: SkillState
    digest: str
    pinned: bool
    reason: str
    cases: int


class SkillDetail(Frozen):
    """A skill with what admitted it and what it rests on."""

    skill: Skill
    report: AdmissionReport | None
    calls: dict[str, str]
    """Skills that it calls, with their versions."""
    called_by: list[str]


class SkillVersion(Frozen):
    """A version of a skill, and how it came to its state."""

    digest: str
    present: bool
    state: SkillState
    pinned: bool
    moves: list[SkillMove]


class SkillDiff(Frozen):
    """What changed between two versions."""

    old: str
    new: str
    diff: str
    """Unified, of all files."""


class SkillFound(Frozen):
    """A skill that a search found."""

    name: str
    description: str
    offered: bool | None = None
    """Whether an agent would be offered it; null where only words were compared."""
    probability: float | None = None
    similarity: float | None = None
    words: float


class Retired(Frozen):
    """A skill that was retired, and what became of those that call it."""

    skill: SkillSummary
    retested: list[Retest]


class PinRequest(Frozen):
    """Whether to hold on to the present version."""

    pinned: bool = Field(default=True, strict=True)


class Because(Frozen):
    """Why; it is kept."""

    reason: str = Field(min_length=1, max_length=1000, pattern=r"\S")


class RollbackRequest(Frozen):
    """Which version to put back, and why."""

    version: str | None = Field(default=None, max_length=64)
    """Beginning of its digest; default: the one before the present."""
    reason: str = Field(default="", max_length=1000)


@router.get("/skills", dependencies=[READ])
@blocking
def list_skills(
    here: Here, state: SkillState | None = None, limit: Limit = 100, offset: Offset = 0
) -> Page[SkillSummary]:
    """List the skills, by name."""
    each = here.daemon.runtime.skills.each()
    wanted = (_summary(skill) for skill in each if state in (None, skill.state))
    return page_of(list(islice(wanted, offset, offset + limit + 1)), limit, offset)


@router.get("/skill-search", dependencies=[READ])
@blocking
def search_skills(
    here: Here,
    q: Annotated[str, Query(min_length=1, max_length=10_000, description="The question.")],
    by: Annotated[
        Literal["meaning", "words"], Query(description="Words need no model and take milliseconds.")
    ] = "meaning",
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> list[SkillFound]:
    """Say which skills fit a question, best first, also those that are too far to be offered."""
    runtime = here.daemon.runtime
    if by == "words":
        found = search_words(runtime.skills.usable(), q, limit)
        return [SkillFound(name=s.name, description=s.description, words=share) for s, share in found]
    return [
        SkillFound(
            name=candidate.skill.name,
            description=candidate.skill.description,
            offered=runtime.router.accepts(candidate),
            probability=candidate.probability,
            similarity=candidate.hit.similarity,
            words=candidate.hit.words,
        )
        for candidate in runtime.router.candidates(q)[:limit]
    ]


@router.get("/skills/{name}", dependencies=[READ])
@blocking
def get_skill(here: Here, name: str) -> SkillDetail:
    """Return a skill with its code and the evidence that admitted it."""
    store = here.daemon.runtime.skills
    skill = store.get(name)
    return SkillDetail(
        skill=skill,
        report=store.report(skill.name, skill.digest),
        calls=requires(skill),
        called_by=here.called_by.of(skill.name),
    )


@router.get("/skills/{name}/versions", dependencies=[READ])
@blocking
def list_versions(here: Here, name: str) -> list[SkillVersion]:
    """List the versions of a skill, the present one first."""
    return [
        SkillVersion(
            digest=version.skill.digest,
            present=version.present,
            state=version.skill.state,
            pinned=version.skill.pinned,
            moves=list(read_moves(version.folder)),
        )
        for version in here.daemon.runtime.skills.versions(name)
    ]


@router.get("/skills/{name}/diff", dependencies=[READ])
@blocking
def diff_skill(
    here: Here,
    name: str,
    old: Annotated[
        str | None, Query(max_length=64, description="Default: the version before the present.")
    ] = None,
    new: Annotated[str | None, Query(max_length=64, description="Default: the present version.")] = None,
) -> SkillDiff:
    """Show what changed between two versions; each is given by the beginning of its digest."""
    versions = here.daemon.runtime.skills.versions(name)
    before = find_version(name, versions, old)
    after = versions[0] if new is None else find_version(name, versions, new)
    return SkillDiff(old=before.skill.digest, new=after.skill.digest, diff=diff_versions(before, after))


@router.get("/skills/{name}/trials", dependencies=[READ])
@blocking
def get_trials(here: Here, name: str) -> Evidence:
    """Say whether a skill helps: solves with and without it, and the difference with its interval."""
    runtime = here.daemon.runtime
    skill = runtime.skills.get(name)
    return weigh(skill.name, skill.digest, runtime.trials.of(skill.name, skill.digest))


@router.post("/skills/{name}/pin", dependencies=[ADMIN])
@blocking
def pin_skill(here: Here, name: str, request: PinRequest) -> SkillSummary:
    """Hold on to the present version, or let go of it: what is pinned the machine neither replaces nor retires."""
    return _summary(here.daemon.runtime.skills.pin(name, request.pinned))


@router.post("/skills/{name}/retire", dependencies=[ADMIN])
@blocking
def retire_skill(here: Here, name: str, request: Because) -> Retired:
    """Take a skill out of use; its folder stays. Those that call it are tested again, and become stale if they fail."""
    runtime = here.daemon.runtime
    store: SkillStore = runtime.skills
    skill = store.retire(name, request.reason)
    resting = bool(here.called_by.of(name))
    found = retest_dependents(store, runtime.sandbox.forkserver(), name) if resting else []
    return Retired(skill=_summary(skill), retested=found)


@router.post("/skills/{name}/rollback", dependencies=[ADMIN])
@blocking
def rollback_skill(here: Here, name: str, request: RollbackRequest) -> SkillSummary:
    """Put an earlier version back; the present one goes to the history."""
    return _summary(here.daemon.runtime.skills.rollback(name, request.version, request.reason))


def _summary(skill: Skill) -> SkillSummary:
    names = ("name", "description", "state", "digest", "pinned", "reason")
    return SkillSummary(**{name: getattr(skill, name) for name in names}, cases=len(skill.cases))
