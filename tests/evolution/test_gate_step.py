"""The gate in a run: rows of tests, and several tries a task."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

from tests.evolution.world import AGENT, Scripted, Step, World, archive_of, context_of, run

from evolvent import Runtime
from evolvent.evolution import ErrorBudget
from evolvent.evolution.verification import verify_archive
from evolvent.types import EvolveOptions, GateDecision, Split

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
