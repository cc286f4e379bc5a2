"""The gate in a run: rows of tests, and several tries a task."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Any

from tests.evolution.world import AGENT, Scripted, Step, World, archive_of, context_of, run

from evolvent import Runtime
from evolvent.evolution import ErrorBudget
from evolvent.evolution.verification import verify_archive
from evolvent.graphs.campaign import Campaign
from evolvent.graphs.purse import OutOfBudget
from evolvent.types import EvolveOptions, GateDecision, Spent, Split

Open = Callable[..., Runtime]
Options = Callable[..., EvolveOptions]

LUCKY = AGENT.replace("hard < LEVEL", "(hard * 13 + ctx.seed) % 10 < LEVEL")
"""Solves the same share of tasks, by luck: with other seeds others."""


def test_a_candidate_that_stands_out_on_train_is_tested_in_a_row_of_its_own(
    open_world: Open, options: Options
) -> None:
    runtime = open_world(world=World(step=Step((6,))))
    run(runtime, options(level=3, train=20))
    decisions = [GateDecision.model_validate(row.decision) for row in runtime.evolution.tables.gates()]
    assert [d.number for d in decisions] == list(range(1, len(decisions) + 1))
    assert any(d.promising for d in decisions)
    for promising in (True, False):
        row = [d for d in decisions if d.promising == promising]
        assert [d.place for d in row] == list(range(1, len(row) + 1))
        assert runtime.evolution.tables.next_gate(promising) == len(row) + 1
        assert [d.alpha for d in row] == [ErrorBudget().row(promising).level(d.place) for d in row]
    assert verify_archive(archive_of(runtime)) == []


def test_several_tries_a_gate_task_have_seeds_of_their_own_and_count_by_their_mean(
    open_world: Open, options: Options
) -> None:
    better = Scripted({"task_agent.py": LUCKY.format(level=8)})
    runtime = open_world(world=World(better=better))
    report, heard = run(runtime, options(level=2, generations=1, width=1, tries=4, operators=("better",)))
    assert report.accepted == 1
    tables, context = runtime.evolution.tables, context_of(runtime)
    child = heard[0].variant
    scores = {split: list(tables.evaluations(context, split, child)) for split in Split}
    assert {e.score for e in scores[Split.TRAIN]} <= {0.0, 1.0}
    for split in (Split.GATE, Split.SEALED):
        assert {e.score for e in scores[split]} <= {0.0, 0.25, 0.5, 0.75, 1.0}
        assert {e.score for e in scores[split]} - {0.0, 1.0}, "four tries with one seed would all be equal"
        assert all(e.passed == (e.score > 0.5) for e in scores[split])
        assert abs(fmean(e.score for e in scores[split]) - 0.8) < 0.2
    decision = GateDecision.model_validate(tables.gates()[0].decision)
    assert decision.comparison.test == "exact paired permutation"
    assert verify_archive(archive_of(runtime)) == []


def test_a_rival_that_a_generations_budget_does_not_reach_fails_the_candidate_and_the_run_goes_on(
    open_world: Open, options: Options, monkeypatch: Any
) -> None:
    """The incumbent may lack train scores: a person chose it while the run waited."""
    runtime = open_world(world=World(step=Step((6,))))
    measure, asked = Campaign.measure, []

    def spent(campaign: Campaign, variant: str, tasks: Any) -> dict[str, float]:
        """The first train measurement is that of the first program, before there is any candidate."""
        asked.append(tasks[0].split)
        if asked.count(Split.TRAIN) > 1:
            raise OutOfBudget(Spent(per="generation", what="tokens", used=9, limit=8))
        return measure(campaign, variant, tasks)

    monkeypatch.setattr(Campaign, "measure", spent)
    report, heard = run(runtime, options(level=3, generations=1))
    assert report.status == "finished"
    failed = [c for c in heard if c.status == "failed"]
    assert [c.stage for c in failed] == ["gate"] * len(failed) != []
    assert all(c.reason == "the tokens of the generation are spent: 9 of 8" for c in failed)
