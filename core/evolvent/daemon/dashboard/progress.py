"""Whether it is getting better."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.history import DayFigures
from evolvent.daemon.api.threads import blocking
from evolvent.daemon.dashboard.gate_tests import GateTest, gate_tests, promotions, series_of
from evolvent.daemon.dashboard.rendering import show
from evolvent.daemon.dashboard.session import Looks

__all__ = ["router"]

router = APIRouter()

DAYS = 90
"""Days of the charts, at most."""
TESTS = 300
"""Tests at the gate that are drawn, at most, besides those that were accepted."""


@router.get("/progress", response_class=HTMLResponse)
@blocking
def progress(
    request: Request, here: Here, viewer: Looks, context: Annotated[str, Query(max_length=16)] = ""
) -> HTMLResponse:
    """Show scores at the gate, tokens for a solved task, and skills that came and went."""
    runtime = here.daemon.runtime
    days = here.history.days(DAYS)
    series, tests, changes = [], [], []
    if runtime.home.genomes.exists():
        archive = here.archive.get()
        series = series_of(archive)
        known = [s.context for s in series]
        context = context if context in known else next(iter(known), archive.context)
        tests = gate_tests(archive, context, TESTS) if series else []
        changes = promotions(runtime.ledger, archive, context, 50)
    return show(
        request,
        viewer,
        "progress.html",
        days=days,
        series=series,
        context=context,
        tests=tests,
        changes=changes,
        gate_chart=json.dumps([_point(test) for test in tests]),
        day_chart=json.dumps([_day(figures) for figures in days]),
    )


def _point(test: GateTest) -> dict[str, Any]:
    found = test.decision.comparison
    return {
        "number": test.number,
        "variant": test.variant[:10],
        "href": f"/lineage/{test.variant}",
        "score": found.candidate,
        "low": test.low,
        "high": test.high,
        "incumbent": found.incumbent,
        "accepted": test.decision.accepted,
    }


def _day(figures: DayFigures) -> dict[str, Any]:
    per_solved = figures.tokens_per_solved
    return {
        "day": figures.day,
        "solved": figures.solved,
        "judged": figures.judged,
        "tokens_per_solved": None if per_solved is None else round(per_solved, 1),
        "admitted": figures.admitted,
        "retired": figures.retired,
    }
