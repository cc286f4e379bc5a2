"""The archive of agent programs: where each comes from, what it changed, why, and what came of it."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from evolvent.daemon.api import archive as api
from evolvent.daemon.api.context import Here
from evolvent.daemon.api.threads import blocking
from evolvent.daemon.dashboard.rendering import back, show
from evolvent.daemon.dashboard.session import Decides, Looks
from evolvent.errors import UsageError
from evolvent.evolution.archive import Archive
from evolvent.evolution.lines import lines_of
from evolvent.evolution.promotion import previous

__all__ = ["router"]

router = APIRouter()

MOST = (60, 200, 1_000)
"""How many variants may be drawn at once."""
ENOUGH = 2_000
"""Lines of a difference that are shown."""

Because = Annotated[str, Form(max_length=1000)]


@router.get("/lineage", response_class=HTMLResponse)
@blocking
def lineage(
    request: Request, here: Here, viewer: Looks, most: Annotated[int, Query(ge=1, le=MOST[-1])] = MOST[0]
) -> HTMLResponse:
    """Draw the tree of first parents: the active program, the best ones, and what they come from."""
    rows: list[dict[str, Any]] = []
    archive, hidden, before = None, 0, None
    if here.daemon.runtime.home.genomes.exists():
        archive = here.archive.get()
        shown, hidden = lines_of(archive, most)
        rows = _rows(archive, shown)
        before = _before(here, archive)
    return show(
        request,
        viewer,
        "lineage.html",
        rows=rows,
        total=len(archive) if archive else 0,
        hidden=hidden,
        most=most,
        choices=MOST,
        before=before,
        frozen=here.daemon.runtime.evolution.tables.frozen() if archive else None,
        chart=json.dumps(_tree(rows)),
    )


@router.get("/lineage/{variant}", response_class=HTMLResponse)
@blocking
def variant(
    request: Request,
    here: Here,
    viewer: Looks,
    variant: api.VariantId,
    against: Annotated[str, Query(max_length=64)] = "",
) -> HTMLResponse:
    """Show a variant: its hypothesis, its scores, its tests at the gate, and what it changed."""
    archive = here.archive.get()
    detail = api.detail_of(archive, archive.resolve(variant))
    compared = None
    if against or detail.parents:
        compared = api.compare(archive, detail.id, against or None)
    lines = compared.diff.splitlines() if compared else []
    return show(
        request,
        viewer,
        "variant.html",
        detail=detail,
        compared=compared,
        lines=lines[:ENOUGH],
        cut_lines=max(0, len(lines) - ENOUGH),
        files=dict(archive.genomes.files(detail.id)),
        before=_before(here, archive),
    )


@router.post("/lineage/{variant}/promote")
@blocking
def promote(here: Here, variant: api.VariantId, _: Decides, because: Because = "") -> RedirectResponse:
    """Make a variant the active program."""
    archive = here.archive.get()
    done = api.make_active(here, archive, archive.resolve(variant), because or "promoted by a person")
    return back(f"/lineage/{done.active}")


@router.post("/lineage/rollback")
@blocking
def roll_back(here: Here, _: Decides, because: Because = "") -> RedirectResponse:
    """Make the program active that was active before."""
    archive = here.archive.get()
    wanted = previous(here.daemon.runtime.ledger, archive)
    done = api.make_active(here, archive, wanted, because or "rolled back by a person")
    return back(f"/lineage/{done.active}")


def _before(here: Here, archive: Archive) -> str | None:
    """Return what a rollback would make active; None where nothing was before."""
    try:
        return previous(here.daemon.runtime.ledger, archive)
    except UsageError:
        return None


def _rows(archive: Archive, shown: set[str]) -> list[dict[str, Any]]:
    """Return the shown variants in the order of a tree that is drawn from above, each with its depth."""
    active = archive.genomes.active()
    children: dict[str, list[str]] = defaultdict(list)
    for known in archive.variants():
        if known.id in shown:
            first = known.parents[0] if known.parents and known.parents[0] in shown else ""
            children[first].append(known.id)
    rows: list[dict[str, Any]] = []
    pending = [(name, 0, "") for name in reversed(children[""])]
    while pending:
        name, depth, above = pending.pop()
        summary = api.summary_of(archive, name, active)
        rows.append({"depth": depth, "above": above, "summary": summary})
        pending += [(child, depth + 1, name) for child in reversed(children[name])]
    return rows


def _tree(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what the chart draws: a list of nodes, parents before their children."""
    return [
        {
            "id": row["summary"].id,
            "above": row["above"],
            "score": row["summary"].score,
            "trials": row["summary"].trials,
            "active": row["summary"].active,
            "viable": row["summary"].viable,
            "operator": row["summary"].operator,
            "hypothesis": row["summary"].hypothesis[:200],
        }
        for row in rows
    ]
