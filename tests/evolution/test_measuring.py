"""Attempts for several candidates: made at once, paid for in turn, kept when others fail."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.evolution.world import Scripted, World, program, run

from evolvent import Runtime
from evolvent.errors import ModelCallError
from evolvent.graphs.campaign import Campaign
from evolvent.practice import EvolveJob
from evolvent.types import Evaluation, EvolveOptions, Split, Task, Usage

Open = Callable[..., Runtime]
Options = Callable[..., EvolveOptions]


def made(campaign: Campaign, task: Task, tokens: int = 0) -> Evaluation:
    return Evaluation(
        variant=campaign.incumbent(),
        split=Split.TRAIN,
        task_id=task.id,
        score=1.0,
        passed=True,
        status="solved",
        usage=Usage(output_tokens=tokens),
    )


def opened(runtime: Runtime, options: EvolveOptions) -> tuple[Campaign, str, list[Task]]:
    campaign = EvolveJob(runtime, "sums", options).campaign
    return campaign, campaign.incumbent(), campaign.tasks[Split.TRAIN]


def test_attempts_for_two_candidates_are_made_at_once(
    open_world: Open, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign, root, tasks = opened(open_world(workers=2), options())
    meeting = threading.Barrier(2)

    def meets(variant: str, files: dict[str, str], task: Task) -> Evaluation:
        meeting.wait(30)
        return made(campaign, task)

    monkeypatch.setattr(campaign, "_try", meets)
    assert campaign.measure_for([("a", root, tasks[:1]), ("b", root, tasks[1:2])]) == {}
    assert set(campaign.archive.scores(root, Split.TRAIN)) == {tasks[0].id, tasks[1].id}


def test_a_budget_is_looked_at_before_each_attempt_and_what_was_paid_for_is_kept(
    open_world: Open, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign, root, tasks = opened(open_world(), options(max_tokens=20))
    tried: list[str] = []

    def pays(services: Any, files: dict[str, str], variant: str, task: Task, **more: Any) -> Evaluation:
        tried.append(task.id)
        return made(campaign, task, tokens=10)

    monkeypatch.setattr("evolvent.graphs.campaign.try_task", pays)
    ended = campaign.measure_for([("a", root, tasks[:2]), ("b", root, tasks[:3]), ("c", root, tasks[3:5])])
    assert tried == [task.id for task in tasks[:2]]
    assert set(ended) == {"b", "c"}
    assert {str(error) for error in ended.values()} == {"the tokens of the run are spent: 20 of 20"}
    assert campaign.purse.spent.tokens == 20
    assert campaign.measure_for([("d", root, tasks[:2])]) == {}, "nothing is missing, and nothing to pay"


def test_a_model_that_is_down_for_one_ends_only_that_one(
    open_world: Open, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign, root, tasks = opened(open_world(), options())

    def fails(variant: str, files: dict[str, str], task: Task) -> Any:
        if task.id == tasks[1].id:
            raise ModelCallError("down")
        return made(campaign, task)

    monkeypatch.setattr(campaign, "_try", fails)
    ended = campaign.measure_for([("a", root, tasks[:3]), ("b", root, tasks[3:4])])
    assert list(ended) == ["a"]
    assert "down" in str(ended["a"])
    assert set(campaign.archive.scores(root, Split.TRAIN)) == {tasks[0].id, tasks[3].id}


def test_tries_that_were_broken_off_are_paid_for_by_their_candidate(
    open_world: Open, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of three tries at the gate are made, then the model is down; their tokens must not be forgotten."""
    runtime = open_world(world=World(up=Scripted({"task_agent.py": program(9)["task_agent.py"]})))
    made: list[str] = []

    def tries(services: Any, files: dict[str, str], variant: str, task: Task, **more: Any) -> Evaluation:
        used = Usage(input_tokens=7)
        more["meter"].charge(used)
        if task.split is Split.GATE:
            made.append(task.id)
            if len(made) == 3:
                raise ModelCallError("down")
        score = 1.0 if "LEVEL = 9" in files["task_agent.py"] and task.id != "canary" else 0.0
        return Evaluation(
            variant=variant,
            split=task.split or Split.TRAIN,
            task_id=task.id,
            score=score,
            passed=score > 0,
            status="solved",
            usage=used,
        )

    monkeypatch.setattr("evolvent.graphs.campaign.try_task", tries)
    monkeypatch.setattr("evolvent.graphs.freezing.try_task", tries)
    report, candidates = run(
        runtime, options(operators=("up",), generations=1, width=1, tries=3, gate=2, sealed=0)
    )
    (candidate,) = candidates
    assert (candidate.status, candidate.stage) == ("failed", "gate")
    assert candidate.usage.tokens == 28, "the canary, the two tries before, and the one that was broken off"
    assert report.usage.tokens == runtime.evolution.tables.spent(report.run_id).tokens
