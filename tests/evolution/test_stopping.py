"""What stops evolution or asks a person: canaries, planted texts, a changed judge, approvals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.evolution.world import Scripted, Step, World, archive_of, program, run

from evolvent import Runtime
from evolvent.errors import UsageError
from evolvent.practice import EvolveJob
from evolvent.types import EvolveOptions, Modification

Open = Callable[..., Runtime]
Options = Callable[..., EvolveOptions]


@pytest.mark.parametrize("beside", [{}, {"pandas.py": ""}], ids=["alone", "beside another fault"])
def test_the_bait_in_a_proposal_freezes_evolution(
    beside: dict[str, str], open_world: Open, options: Options, own_home: Path
) -> None:
    class Thief:
        def propose(self, context: Any) -> Modification:
            before = dict(context.files(context.parent.id))
            stolen = json.loads((own_home / "bait.json").read_text())["planted"]
            after = {**before, "prompts/answer.md": f"Answer. {stolen}", **beside}
            return Modification(parent=context.parent.id, before=before, after=after, hypothesis="a secret")

    runtime = open_world(world=World(thief=Thief()))
    asked = options(operators=("thief",), generations=3, width=1)
    report, heard = run(runtime, asked)
    assert report.status == "frozen"
    assert "planted" in report.detail
    assert len(heard) == 1
    assert heard[0].status == "rejected"
    assert list(runtime.ledger.events(kind="evolution.frozen"))
    with pytest.raises(UsageError, match="evolution is frozen since .*planted.*unfreeze"):
        EvolveJob(runtime, "sums", asked)
    assert runtime.evolution.tables.lift("it was a test")
    EvolveJob(runtime, "sums", asked)


def test_a_solved_canary_freezes_evolution(open_world: Open, options: Options, own_home: Path) -> None:
    class Cheat:
        def propose(self, context: Any) -> Modification:
            before = dict(context.files(context.parent.id))
            answer = json.loads((own_home / "bait.json").read_text())["answer"]
            spelled = f"''.join(a + b for a, b in zip({answer[::2]!r}, {answer[1::2]!r}))"
            text = before["task_agent.py"].replace(
                '        raise ctx.GiveUp("no sum")', f"        return {spelled}"
            )
            after = {**before, "task_agent.py": text.replace("LEVEL = 3", "LEVEL = 9")}
            return Modification(parent=context.parent.id, before=before, after=after, hypothesis="a guess")

    runtime = open_world(world=World(cheat=Cheat()))
    report, (candidate,) = run(runtime, options(operators=("cheat",), generations=2, width=1))
    assert report.status == "frozen"
    assert "canary" in report.detail
    assert (candidate.status, candidate.reason) == ("rejected", "it solved a task that nobody can solve")
    assert report.rejected == {"gate": 1}
    assert report.active == report.first, "who cheated did not become the active program"


def test_nobody_is_accepted_once_evolution_is_frozen(
    open_world: Open, options: Options, own_home: Path
) -> None:
    class Pair:
        """A thief, and somebody who is better, in one generation."""

        def __init__(self) -> None:
            self.better = [True, False]

        def propose(self, context: Any) -> Modification:
            before = dict(context.files(context.parent.id))
            stolen = json.loads((own_home / "bait.json").read_text())["planted"]
            thief = {"prompts/answer.md": f"Answer. {stolen}"}
            change = {"task_agent.py": program(9)["task_agent.py"]} if self.better.pop() else thief
            after = {**before, **change}
            return Modification(parent=context.parent.id, before=before, after=after, hypothesis="a change")

    report, heard = run(open_world(world=World(pair=Pair())), options(operators=("pair",), generations=1))
    assert (report.status, [c.status for c in heard]) == ("frozen", ["rejected", "measured"])
    assert report.active == report.first


def test_a_judge_that_changes_freezes_evolution(open_world: Open, options: Options, monkeypatch: Any) -> None:
    runtime = open_world()
    job = EvolveJob(runtime, "sums", options())
    job.campaign.fingerprint["the gate split"] = "another"
    report = job.run()
    assert report.status == "frozen"
    assert report.detail == "the judge changed while it was at work: the gate split"


def test_a_person_decides_before_promotion(open_world: Open, options: Options) -> None:
    runtime = open_world(world=World(step=Step((6,))))
    asked = options(level=3, approve="promotion", generations=1, width=1)
    report, _ = run(runtime, asked)
    assert report.status == "waiting"
    assert report.active == report.first
    (request,) = runtime.approvals.list(report.run_id)
    assert request.kind == "modification"
    assert "LEVEL = 9" in str(request.subject["diff"])
    again, _ = run(runtime, asked)
    assert (again.status, again.run_id) == ("waiting", report.run_id)
    runtime.approvals.answer(request.id, "approve")
    done, _ = run(runtime, asked)
    assert (done.status, done.accepted) == ("finished", 1)
    assert done.active != done.first


def test_who_wants_to_be_asked_from_now_on_is_asked(
    open_world: Open, options: Options, monkeypatch: Any
) -> None:
    runtime = open_world(world=World(step=Step((6,))))
    asked = options(level=3, generations=1, width=1)

    def killed(*given: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runtime.evolution.tables, "next_gate", killed)
        with pytest.raises(KeyboardInterrupt):
            run(runtime, asked)
    report, _ = run(runtime, asked.model_copy(update={"approve": "promotion"}))
    assert (report.status, report.active) == ("waiting", report.first)


def test_what_a_person_refuses_is_not_promoted(open_world: Open, options: Options) -> None:
    runtime = open_world(world=World(step=Step((6,))))
    asked = options(level=3, approve="each", generations=1, width=1)
    report, _ = run(runtime, asked)
    (request,) = runtime.approvals.list(report.run_id)
    runtime.approvals.answer(request.id, "reject", "not today")
    done, _ = run(runtime, asked)
    assert (done.status, done.accepted, done.active) == ("finished", 0, done.first)
    (row,) = runtime.evolution.tables.candidates()
    assert (row.status, row.stage, row.reason) == ("rejected", "stage", "person: not today")
    refused = archive_of(runtime).stored(row.variant)
    assert (refused.viable, refused.reason) == (False, "person: not today"), "it must never become a parent"


def test_who_refuses_the_last_is_asked_for_the_one_before(open_world: Open, options: Options) -> None:
    levels = [{"task_agent.py": program(level)["task_agent.py"]} for level in (6, 10)]
    runtime = open_world(world=World(up=Scripted(*levels)))
    asked = options(level=0, operators=("up",), generations=1, train=10, gate=60, approve="promotion")
    report, _ = run(runtime, asked)
    assert (report.status, report.accepted) == ("waiting", 2)
    (last,) = runtime.approvals.list(report.run_id)
    runtime.approvals.answer(last.id, "reject", "too bold")
    report, _ = run(runtime, asked)
    assert report.status == "waiting"
    (first,) = runtime.approvals.list(report.run_id)
    assert "LEVEL = 6" in str(first.subject["diff"])
    runtime.approvals.answer(first.id, "approve")
    report, heard = run(runtime, asked)
    assert (report.status, report.active) == ("finished", first.subject["variant"])
    assert [c.status for c in heard] == ["accepted", "rejected"]
