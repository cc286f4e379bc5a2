"""Train scores that run ahead of sealed ones: evolution freezes first, and a person decides on the promotion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.evolution.world import Scripted, World, program, run

from evolvent import Runtime
from evolvent.errors import UsageError
from evolvent.practice import EvolveJob
from evolvent.types import EvolveOptions

Open = Callable[..., Runtime]
Options = Callable[..., EvolveOptions]

AHEAD = program(10)["task_agent.py"].replace(
    "    hard =", "    if first >= 200_000:  # the sealed tasks\n        return -1\n    hard =", 1
)


def asked_for(options: Options) -> EvolveOptions:
    return options(level=3, operators=("bold",), generations=1, width=1)


def frozen_world(open_world: Open) -> Runtime:
    return open_world(world=World(bold=Scripted({"task_agent.py": AHEAD})))


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_a_suspicious_gap_stops_the_promotion_until_a_person_decides(
    verdict: Any, open_world: Open, options: Options
) -> None:
    runtime = frozen_world(open_world)
    asked = asked_for(options)
    report, heard = run(runtime, asked)
    assert (report.status, report.active, heard) == ("frozen", report.first, [])
    assert report.detail == "the train score runs ahead of the sealed one: 1.000 against 0.000"
    assert list(runtime.ledger.events(kind="variant.promoted")) == []
    with pytest.raises(UsageError, match="evolution is frozen since"):
        EvolveJob(runtime, "sums", asked)
    runtime.evolution.tables.lift("I looked")
    waiting, _ = run(runtime, asked)
    assert (waiting.status, waiting.run_id, waiting.active) == ("waiting", report.run_id, report.first)
    (request,) = runtime.approvals.list(report.run_id)
    assert "evolution froze in this generation" in request.reason
    runtime.approvals.answer(request.id, verdict, "because")
    done, (candidate,) = run(runtime, asked)
    assert done.status == "finished"
    assert (done.active == candidate.variant) == (verdict == "approve")
    assert candidate.status == ("accepted" if verdict == "approve" else "rejected")
    assert len(list(runtime.ledger.events(kind="evolution.frozen"))) == 1


POINTS = ("before the freeze", "after the freeze", "before the promotion", "after its record")


@pytest.mark.parametrize("killed_at", POINTS)
def test_a_kill_at_any_point_of_it_leads_to_the_same(
    killed_at: str, open_world: Open, options: Options, monkeypatch: Any
) -> None:
    runtime = frozen_world(open_world)
    asked = asked_for(options)
    tables, ledger, genomes = runtime.evolution.tables, runtime.ledger, runtime.evolution.genomes
    freeze, tell, append, set_active = tables.freeze, ledger.tell, ledger.append, genomes.set_active
    armed = {killed_at}

    def at(point: str, then: Callable[..., Any], when: Callable[..., bool] = lambda *_: True) -> Any:
        def call(*given: Any) -> Any:
            if point in armed and when(*given):
                armed.discard(point)
                raise KeyboardInterrupt
            return then(*given)

        return call

    monkeypatch.setattr(tables, "freeze", at(POINTS[0], freeze))
    monkeypatch.setattr(ledger, "tell", at(POINTS[1], tell, lambda e: e.kind == "evolution.frozen"))
    monkeypatch.setattr(ledger, "append", at(POINTS[2], append, lambda e, *_: e.kind == "variant.promoted"))
    promoting = lambda v: bool(list(ledger.events(kind="variant.promoted")))  # noqa: E731  # a condition
    monkeypatch.setattr(genomes, "set_active", at(POINTS[3], set_active, promoting))

    def until(status: str) -> Any:
        for _ in range(2):
            try:
                report, _ = run(runtime, asked)
            except KeyboardInterrupt:
                runtime.evolution.campaigns.clear()
            except UsageError:
                return None  # it was frozen before it died
            else:
                assert report.status == status
                return report
        return None

    until("frozen")
    assert tables.frozen() is not None
    tables.lift("I looked")
    report = until("waiting")
    (request,) = runtime.approvals.list(report.run_id)
    runtime.approvals.answer(request.id, "approve")
    report = until("finished")
    assert armed == set(), "it was killed there"
    assert report.active != report.first
    assert len(list(ledger.events(kind="evolution.frozen"))) == 1
    assert len(list(ledger.events(kind="variant.promoted"))) == 1
    (row,) = tables.candidates()
    assert (row.status, row.variant) == ("accepted", report.active)


def test_who_is_better_on_sealed_tasks_too_is_promoted_at_once(open_world: Open, options: Options) -> None:
    runtime = open_world(world=World(bold=Scripted({"task_agent.py": program(10)["task_agent.py"]})))
    report, (candidate,) = run(runtime, asked_for(options))
    assert (report.status, report.active) == ("finished", candidate.variant)
