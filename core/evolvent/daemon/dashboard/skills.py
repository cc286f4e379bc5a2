"""The library: what it holds, what it rests on, and what a person decides about it."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from evolvent.daemon.api import skills as api
from evolvent.daemon.api.context import Here
from evolvent.daemon.api.pages import Offset, page_of
from evolvent.daemon.api.threads import blocking
from evolvent.daemon.dashboard.rendering import back, show
from evolvent.daemon.dashboard.session import Decides, Looks
from evolvent.library.composition import requires
from evolvent.library.evidence import weigh
from evolvent.library.format import read_moves
from evolvent.library.versions import diff_versions, find_version
from evolvent.types import SkillState

__all__ = ["router"]

router = APIRouter()

ROWS = 50
"""Skills of one page."""
ENOUGH = 2_000
"""Lines of a difference that are shown."""

Query_ = Annotated[str, Query(max_length=2_000)]
Digest = Annotated[str, Query(max_length=64)]


@router.get("/skills", response_class=HTMLResponse)
@blocking
def skills(
    request: Request, here: Here, viewer: Looks, q: Query_ = "", state: str = "", offset: Offset = 0
) -> HTMLResponse:
    """List the skills by name, or those that fit a question, the best first."""
    runtime = here.daemon.runtime
    wanted = SkillState(state) if state in {known.value for known in SkillState} else None
    found, page = [], None
    if q.strip():
        found = runtime.router.candidates(q)[:ROWS]
    else:
        each = (skill for skill in runtime.skills.each() if wanted in (None, skill.state))
        page = page_of(list(islice(each, offset, offset + ROWS + 1)), ROWS, offset)
    return show(
        request,
        viewer,
        "skills.html",
        q=q,
        state=wanted.value if wanted else "",
        states=[known.value for known in SkillState],
        found=[(candidate, runtime.router.accepts(candidate)) for candidate in found],
        page=page,
        rows=ROWS,
        offset=offset,
    )


@router.get("/skills/{name}", response_class=HTMLResponse)
@blocking
def skill(
    request: Request, here: Here, viewer: Looks, name: str, old: Digest = "", new: Digest = ""
) -> HTMLResponse:
    """Show a skill: its code, what admitted it, its trials, its versions and what changed between them."""
    runtime = here.daemon.runtime
    store = runtime.skills
    found = store.get(name)
    versions = store.versions(name)
    lines: list[str] = []
    if old or any(version.skill.digest != versions[0].skill.digest for version in versions):
        before = find_version(name, versions, old or None)
        after = find_version(name, versions, new) if new else versions[0]
        old, new = before.skill.digest, after.skill.digest
        lines = diff_versions(before, after).splitlines()
    return show(
        request,
        viewer,
        "skill.html",
        skill=found,
        report=store.report(found.name, found.digest),
        evidence=weigh(found.name, found.digest, runtime.trials.of(found.name, found.digest)),
        calls=requires(found),
        called_by=here.called_by.of(found.name),
        versions=[(version, read_moves(version.folder)) for version in versions],
        old=old,
        new=new,
        lines=lines[:ENOUGH],
        cut_lines=max(0, len(lines) - ENOUGH),
    )


@router.post("/skills/{name}/pin")
async def pin(here: Here, name: str, _: Decides, pinned: Annotated[bool, Form()] = True) -> RedirectResponse:
    """Hold on to the present version, or let go of it."""
    await api.pin_skill(here, name, api.PinRequest(pinned=pinned))
    return back(f"/skills/{name}")


@router.post("/skills/{name}/retire")
async def retire(
    here: Here, name: str, _: Decides, reason: Annotated[str, Form(max_length=1000)] = ""
) -> RedirectResponse:
    """Take a skill out of use."""
    because = reason.strip() or "retired by a person"
    await api.retire_skill(here, name, api.Because(reason=because))
    return back(f"/skills/{name}")


@router.post("/skills/{name}/rollback")
async def roll_back(
    here: Here, name: str, _: Decides, version: Annotated[str, Form(max_length=64)] = ""
) -> RedirectResponse:
    """Put an earlier version back."""
    request = api.RollbackRequest(version=version or None, reason="rolled back by a person")
    await api.rollback_skill(here, name, request)
    return back(f"/skills/{name}")
