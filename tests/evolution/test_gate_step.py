"""The gate in a run: rows of tests, and several tries a task."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Any

import pytest
from sqlalchemy import update
from tests.evolution.world import (
    AGENT,
    META,
    Scripted,
    Step,
    World,
    archive_of,
    context_of,
    run,
)

from evolvent import Runtime
from evolvent.evolution import ErrorBudget
from evolvent.evolution.verification import verify_archive
from evolvent.graphs.campaign import Campaign
from evolvent.graphs.purse import OutOfBudget
from evolvent.practice import EvolveJob
from evolvent.storage.tables import EvaluationRow
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


ALIKE = {"meta_agent.py": META.replace("a remark", "another remark")}
ELSEWISE_WRONG = {"task_agent.py": AGENT.format(level=5).replace("-1", "-2")}


def hill(*changes: dict[str, str | None]) -> World:
    """Begin with a change that is a little better on train, and that the gate refuses."""
    return World(better=Scripted({"task_agent.py": AGENT.format(level=5)}, *changes))


def test_who_answers_as_a_refused_one_did_is_not_tested_again_and_uses_up_no_error(
    open_world: Open, options: Options
) -> None:
    runtime = open_world(world=hill(ALIKE, ELSEWISE_WRONG))
    given = options(generations=3, width=1, train=20, operators=("better",))
    _, (refused, alike, elsewise) = run(runtime, given)
    tables, context = runtime.evolution.tables, context_of(runtime)
    assert "the gain may be chance" in refused.reason
    assert (alike.status, alike.stage, alike.parent) == ("measured", "gate", refused.variant)
    why = f"on every train task it answered as {refused.variant[:10]} did, which the gate had refused"
    assert alike.reason == why
    assert tables.candidates(variant=alike.variant)[0].reason == why
    assert not list(tables.evaluations(context, Split.GATE, alike.variant))
    scores = [archive_of(runtime).scores(c.variant, Split.TRAIN) for c in (refused, alike, elsewise)]
    assert scores[0] == scores[1] == scores[2]
    assert [row.variant for row in tables.gates()] == [refused.variant, elsewise.variant]
    assert "chance" in elsewise.reason, "the same scores with other answers are another program's"
    assert verify_archive(archive_of(runtime)) == []


@pytest.mark.parametrize("known", [True, False])
def test_answers_that_are_not_known_are_like_nobodys(open_world: Open, options: Options, known: bool) -> None:
    """Evaluations of earlier versions have none."""
    runtime = open_world(world=hill(ALIKE))
    tables = runtime.evolution.tables
    heard: list[str] = []

    def hear(generation: Any) -> None:
        heard.extend(c.variant for c in generation.candidates)
        if not known:
            with tables.engine.begin() as connection:
                connection.execute(update(EvaluationRow).values(answered=""))

    given = options(generations=2, width=1, train=20, operators=("better",))
    EvolveJob(runtime, "sums", given, listener=hear).run()
    assert [row.variant for row in tables.gates()] == (heard[:1] if known else heard)
