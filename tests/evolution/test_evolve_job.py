"""Evolution from end to end: real suite, sandbox, repository and database; only the operators are the test's own."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.evolution.world import META, Step, World, program

from evolvent import Runtime
from evolvent.errors import IntegrityError, SandboxLost, UnknownName, UsageError
from evolvent.evolution.archive import Archive
from evolvent.evolution.promotion import activate, previous
from evolvent.evolution.verification import verify_archive
from evolvent.practice import EvolveJob
from evolvent.types import Candidate, EvolveOptions, Modification, Split

Open = Callable[..., Runtime]
Options = Callable[..., EvolveOptions]


def run(runtime: Runtime, options: EvolveOptions, **given: Any) -> tuple[Any, list[Candidate]]:
    heard: list[Candidate] = []
    job = EvolveJob(runtime, "sums", options, listener=lambda g: heard.extend(g.candidates), **given)
    return job.run(), heard


def archive_of(runtime: Runtime) -> Archive:
    return Archive(runtime.evolution.tables, runtime.evolution.genomes)


def test_a_better_program_is_accepted_and_is_what_solves_afterwards(
    open_world: Open, options: Options
) -> None:
    runtime = open_world(world=World(step=Step((6,))))
    report, heard = run(runtime, options(level=3))
    assert report.status == "finished"
    assert report.accepted == 1
    assert report.active != report.first
    assert report.gate[1] > report.gate[0]
    assert report.gate_interval[0] > 0
    assert report.sealed[1] > report.sealed[0]
    accepted = next(c for c in heard if c.status == "accepted")
    assert accepted.variant == report.active == runtime.evolution.genomes.active()
    assert accepted.evidence["gate"]["comparison"]["pairs"] == 24
    assert runtime.services.genome["task_agent.py"].count("LEVEL = 9") == 1
    assert verify_archive(archive_of(runtime)) == []

    again = open_world()
    assert "LEVEL = 9" in again.services.genome["task_agent.py"]
    assert again.solve("18+1?").answer == 19  # (18 * 7 + 1) % 10 = 7: level 3 would not know


def test_what_is_no_better_is_never_accepted(open_world: Open, options: Options) -> None:
    report, heard = run(open_world(world=World(step=Step((0,)))), options(level=5, generations=3))
    assert report.accepted == 0
    assert report.active == report.first
    assert {c.status for c in heard} == {"measured"}
    assert all(c.stage != "gate" for c in heard), "a tie on the train tasks costs no gate test"
    assert report.gate is None


def test_a_worse_program_is_stopped_early(open_world: Open, options: Options) -> None:
    runtime = open_world(world=World(step=Step((-9,))))
    report, heard = run(runtime, options(level=10, generations=1, train=12, first=4))
    assert {c.stage for c in heard} == {"stage"}
    assert all("it cannot win" in c.reason or "it is worse" in c.reason for c in heard)
    archive = runtime.evolution.tables
    counts = [len(list(archive.evaluations(_context(runtime), Split.TRAIN, c.variant))) for c in heard]
    assert counts == [4, 4]
    assert report.accepted == 0


def _context(runtime: Runtime) -> str:
    return runtime.evolution.tables.contexts()[-1]


def test_canary_tasks_are_tried_and_not_counted(open_world: Open, options: Options) -> None:
    runtime = open_world(world=World(step=Step((6,))))
    report, _ = run(runtime, options(generations=1))
    assert report.accepted == 1
    assert runtime.evolution.tables.frozen() is None
    tasks = {e.task_id for e in runtime.evolution.tables.evaluations(_context(runtime))}
    assert "canary" not in tasks


def test_promotion_and_rollback_by_a_person(open_world: Open, options: Options) -> None:
    runtime = open_world(world=World(step=Step((6,))))
    report, _ = run(runtime, options(level=3))
    archive = archive_of(runtime)
    other = next(v.id for v in archive.variants() if v.id not in (report.first, report.active))
    with pytest.raises(UsageError, match="is the active program already"):
        activate(runtime.ledger, archive, report.active, "")
    activate(runtime.ledger, archive, other, "to look")
    assert previous(runtime.ledger, archive) == report.active
    activate(runtime.ledger, archive, report.active, "back")
    assert previous(runtime.ledger, archive) == report.first
    activate(runtime.ledger, archive, report.first, "back again")
    with pytest.raises(UsageError, match="nothing was active before"):
        previous(runtime.ledger, archive)


@pytest.mark.parametrize("killed_at", ["the record", "the branch"])
def test_a_promotion_that_was_interrupted_can_be_rolled_back(
    killed_at: str, open_world: Open, options: Options, monkeypatch: Any
) -> None:
    runtime = open_world(world=World(step=Step((6,))))
    asked = options(level=3, generations=1, width=1)
    append, set_active = runtime.ledger.append, runtime.evolution.genomes.set_active
    active = []

    def record(event: Any, *given: Any) -> bool:
        if killed_at == "the record" and event.kind == "variant.promoted":
            raise KeyboardInterrupt
        return append(event, *given)

    def point(variant: str) -> bool:
        if killed_at == "the branch" and active:
            raise KeyboardInterrupt
        active.append(variant)
        return set_active(variant)

    with monkeypatch.context() as patch:
        patch.setattr(runtime.ledger, "append", record)
        patch.setattr(runtime.evolution.genomes, "set_active", point)
        with pytest.raises(KeyboardInterrupt):
            run(runtime, asked)
    report, _ = run(runtime, asked)
    assert report.active != report.first
    assert len(list(runtime.ledger.events(kind="variant.promoted"))) == 1
    assert previous(runtime.ledger, archive_of(runtime)) == report.first


def test_every_variant_is_a_commit_that_git_can_read(
    open_world: Open, options: Options, own_home: Path
) -> None:
    runtime = open_world()
    report, _ = run(runtime, options())
    git = shutil.which("git")
    assert git
    log = subprocess.run(
        [git, "-C", str(own_home / "genomes.git"), "log", "--format=%H %s", "active"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert log.splitlines()[0].startswith(report.active)


class Scripted:
    """Proposes one change of files after the other."""

    def __init__(self, *changes: dict[str, str | None]) -> None:
        self.changes = list(changes)

    def propose(self, context: Any) -> Modification:
        before = dict(context.files(context.parent.id))
        after = {**before, **self.changes.pop(0)}
        return Modification(
            parent=context.parent.id,
            before=before,
            after={path: text for path, text in after.items() if text is not None},
            hypothesis="scripted",
        )


SOLVE = "def solve(task, ctx):\n    {}\n"
BAD: dict[str, tuple[dict[str, str | None], str]] = {
    "does not compile": ({"task_agent.py": "def solve(:"}, "does not compile"),
    "loops when imported": (
        {"task_agent.py": "while True: pass\n" + SOLVE.format("return 1")},
        "wall_seconds|cpu_seconds",
    ),
    "loops when it solves": ({"task_agent.py": SOLVE.format("while True: pass")}, "wall_seconds|cpu_seconds"),
    "floods": ({"task_agent.py": SOLVE.format("return 'x' * 10**9")}, "large|bytes|memory|Memory"),
    "edits what is protected": ({"evaluator.py": "x = 1\n"}, "outside of what may be changed"),
    "adds a dependency": ({"task_agent.py": "import numpy\n" + SOLVE.format("return 1")}, "imports 'numpy'"),
    "adds a file of dependencies": ({"requirements.txt": "numpy\n"}, "outside of what may be changed"),
    "deletes its meta agent": ({"meta_agent.py": None}, "'meta_agent.py' is missing"),
    "is 50 MB": ({"prompts/big.md": "x" * 50_000_000}, "characters; at most"),
    "ends the sandbox": ({"task_agent.py": "import os\n" + SOLVE.format("os._exit(0)")}, "sandbox|os"),
    "writes rubbish on the pipe": (
        {"task_agent.py": "import os\n" + SOLVE.format("os.write(3, b'xxxxxxxx')")},
        "sandbox|protocol|os",
    ),
    "a meta agent that proposes nothing": (
        {"meta_agent.py": META.replace("return {", "return None and {")},
        "improve\\(\\) proposed nothing",
    ),
    "a meta agent that raises": (
        {"meta_agent.py": META.replace("    reply =", "    raise ValueError('no')\n    reply =")},
        "improve\\(\\) failed on a canned history: ValueError: no",
    ),
    "a selection that chooses nobody": (
        {"select_parent.py": "def select(archive, rng):\n    return 'nobody'\n"},
        "select\\(\\) chose 'nobody'",
    ),
    "a selection that chooses a list": (
        {"select_parent.py": "def select(archive, rng):\n    return [archive[0]['id']]\n"},
        "select\\(\\) chose \\['a",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_program_is_a_recorded_rejection(name: str, open_world: Open, options: Options) -> None:
    change, why = BAD[name]
    runtime = open_world(world=World(bad=Scripted(change)))
    report, heard = run(runtime, options(operators=("bad",), generations=1, width=1))
    (candidate,) = heard
    assert candidate.status == "rejected"
    assert candidate.stage == "check"
    import re

    assert re.search(why, candidate.reason), candidate.reason
    assert report.rejected == {"check": 1}
    assert report.variants == 1
    (row,) = runtime.evolution.tables.candidates()
    assert (row.status, row.stage, row.reason) == (candidate.status, candidate.stage, candidate.reason)
    assert len(row.change) <= 20_000


def test_a_sandbox_that_cannot_start_is_held_against_nobody(
    open_world: Open, options: Options, monkeypatch: Any
) -> None:
    class Sandbox:
        def session(self, limits: Any) -> Any:
            raise SandboxLost("no room")

    class Breaking:
        def propose(self, context: Any) -> Modification:
            monkeypatch.setattr(runtime.services, "sandbox", Sandbox())
            return Step().propose(context)

    runtime = open_world(world=World(breaking=Breaking()))
    report, (candidate,) = run(runtime, options(operators=("breaking",), generations=1, width=1))
    assert (candidate.status, candidate.reason) == ("failed", "the sandbox was lost: no room")
    assert report.failed == 1


def test_a_program_that_lies_about_its_score_gains_nothing(open_world: Open, options: Options) -> None:
    lie = SOLVE.format("return {'score': 1.0, 'passed': True, 'verdict': {'score': 1.0}}")
    change = {"task_agent.py": "# lies\n" + lie}
    runtime = open_world(world=World(bad=Scripted(change)))
    _, (candidate,) = run(runtime, options(operators=("bad",), generations=1, width=1))
    assert candidate.status == "measured"
    found = [*runtime.evolution.tables.evaluations(_context(runtime), variant=candidate.variant)]
    assert found
    assert {e.score for e in found} == {0.0}


def test_the_same_program_is_not_measured_twice(open_world: Open, options: Options) -> None:
    same = {"task_agent.py": program(7)["task_agent.py"]}
    runtime = open_world(
        world=World(same=Scripted(same, same, {"task_agent.py": same["task_agent.py"] + "\n\n"}))
    )
    _, heard = run(runtime, options(operators=("same",), generations=3, width=1, policy="random"))
    assert [c.status for c in heard][1:].count("rejected") >= 1
    assert any("tried before" in c.reason or "changes nothing" in c.reason for c in heard)


def test_a_change_of_the_meta_agent_is_accepted_and_used_by_its_children(
    open_world: Open, options: Options
) -> None:
    better = {
        "task_agent.py": program(10)["task_agent.py"],
        "meta_agent.py": META.replace('"# " + str', '"# improved " + str'),
    }
    world = World(bold=Scripted(better))
    runtime = open_world(world=world)
    first = options(level=1, operators=("bold",), generations=1, width=1)
    report, _ = run(runtime, first)
    assert report.accepted == 1
    report, (child,) = run(runtime, first.model_copy(update={"operators": ("remark",)}))
    assert child.status == "measured", child.reason
    assert child.parent == report.active
    files = runtime.evolution.genomes.files(child.variant)
    assert files["task_agent.py"].startswith("# improved 8\n"), "the parent's changed meta agent wrote this"


ANSWERING = """def solve(task, ctx):
    return ctx.model.complete([{"role": "user", "content": task["prompt"]}]).text
"""


def test_what_was_measured_before_the_model_went_down_is_kept(open_world: Open, options: Options) -> None:
    script = ["1"] * (6 + 1 + 2) + [
        ConnectionError("down")
    ] * 20  # six of the seed, a proposal, two of the child
    runtime = open_world(script=script, model_retries=0)
    asked = options(
        files={**program(3), "task_agent.py": ANSWERING}, operators=("remark",), generations=1, width=1
    )
    report, (child,) = run(runtime, asked)
    assert child.status == "failed"
    kept = [*runtime.evolution.tables.evaluations(_context(runtime), Split.TRAIN, child.variant)]
    assert len(kept) == 2
    assert report.usage.model_calls == 9


def test_a_model_that_is_down_is_held_against_nobody(open_world: Open, options: Options) -> None:
    runtime = open_world(script=[ConnectionError("down")] * 20, model_retries=0)
    report, heard = run(runtime, options(operators=("remark",), generations=1))
    assert {c.status for c in heard} == {"failed"}
    assert report.failed == 2
    assert archive_of(runtime).tried() == archive_of(runtime).variants(), "no policy counts it as a child"


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
            spelled = "+".join(repr(part) for part in (answer[:16], answer[16:]))
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


def test_budgets_end_a_run_and_it_goes_on_with_more(open_world: Open, options: Options) -> None:
    runtime = open_world()
    report, heard = run(runtime, options(max_tokens=0))
    assert (report.status, report.generations, heard) == ("budget", 0, [])
    assert report.detail == "the tokens of the run are spent: 0 of 0"
    job = EvolveJob(runtime, "sums", options())
    assert job.resumed
    assert job.run_id == report.run_id
    assert job.run().status == "finished"


ASKING = """LEVEL = 3


def solve(task, ctx):
    ctx.model.complete([{"role": "user", "content": task["prompt"]}])
    numbers = task["prompt"].removesuffix("?").split("+")
    if len(numbers) != 2:
        return ""
    first, second = map(int, numbers)
    return first + second if (first * 7 + second) % 10 < LEVEL else -1
"""


def test_everything_that_was_asked_of_the_model_is_counted(open_world: Open, options: Options) -> None:
    runtime = open_world(world=World(step=Step((6,))))
    asked = options(files={**program(3), "task_agent.py": ASKING}, generations=1, width=1)
    report, _ = run(runtime, asked)
    assert report.accepted == 1
    events = [e for e in runtime.ledger.events(report.run_id, "broker.answered") if e.usage.model_calls]
    assert any("/canary" in event.key for event in events)
    assert report.usage.model_calls == len(events)
    assert runtime.evolution.tables.spent(report.run_id).tokens == report.usage.tokens
    assert report.usage.tokens == sum(event.usage.tokens for event in events)


def test_a_budget_of_nothing_asks_the_model_nothing(open_world: Open, options: Options) -> None:
    ask = """def solve(task, ctx):
    ctx.model.complete([{"role": "user", "content": task["prompt"]}])
    return 1
"""
    runtime = open_world()
    report, _ = run(runtime, options(files={**program(3), "task_agent.py": ask}, max_tokens=0))
    assert (report.status, report.usage.tokens) == ("budget", 0)
    assert not list(runtime.ledger.events(report.run_id, "broker.answered"))


def test_a_generation_without_tokens_fails_its_candidates(open_world: Open, options: Options) -> None:
    report, heard = run(open_world(), options(generation_tokens=0, generations=1, operators=("remark",)))
    assert report.usage.tokens == 0, "no proposal is paid for either"
    assert {c.status for c in heard} == {"failed"}
    assert "tokens of the generation" in heard[0].reason
    assert report.status == "finished"


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"policy": "nobody"}, UnknownName, "unknown policy 'nobody'.*genome"),
        ({"operators": ("stpe",)}, UnknownName, "did you mean 'step'"),
        ({"operators": ()}, UsageError, "no mutation operator is given"),
        ({"start": "nowhere"}, UnknownName, "unknown first program 'nowhere'.*folder"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_is_made(
    change: dict[str, Any], error: type[Exception], says: str, open_world: Open, options: Options
) -> None:
    with pytest.raises(error, match=says):
        EvolveJob(open_world(), "sums", options(**change))


def test_a_first_program_that_is_none_is_refused(open_world: Open, options: Options) -> None:
    with pytest.raises(UsageError, match="cannot be the first program.*'meta_agent.py' is missing"):
        EvolveJob(open_world(), "sums", options(files={"task_agent.py": SOLVE.format("return 1")}))


def test_another_start_on_an_archive_is_refused(open_world: Open, options: Options) -> None:
    runtime = open_world()
    run(runtime, options(generations=1))
    with pytest.raises(UsageError, match="did not begin with 'seed'.*another EVOLVENT_HOME"):
        EvolveJob(runtime, "sums", options(start="seed"))


def test_a_suite_that_changed_is_not_gone_on_with(
    open_world: Open, options: Options, monkeypatch: Any
) -> None:
    from tests.evolution.world import Sums

    runtime = open_world()
    report, _ = run(runtime, options(max_tokens=0))
    monkeypatch.setattr(Sums, "digest", lambda self: "changed")
    with pytest.raises(IntegrityError, match="has changed since .*digest sums-100, now changed.*--fresh"):
        EvolveJob(runtime, "sums", options())
    fresh = EvolveJob(runtime, "sums", options(), fresh=True)
    assert fresh.run_id != report.run_id
    assert fresh.campaign.context != report.run_id


def test_a_judge_that_changed_between_processes_is_noticed(
    open_world: Open, options: Options, monkeypatch: Any
) -> None:
    from evolvent.graphs.campaign import Campaign

    runtime = open_world()
    run(runtime, options(max_tokens=0))
    monkeypatch.setattr(Campaign, "_evaluators", lambda self: {"the evaluator 'exact'": "edited"})
    with pytest.raises(
        IntegrityError, match="what scores depend on has changed since .*an evaluator.*--fresh"
    ):
        EvolveJob(runtime, "sums", options())


def test_a_larger_gate_later_leaves_the_archive_sound(open_world: Open, options: Options) -> None:
    runtime = open_world(world=World(step=Step((3,))))
    run(runtime, options(level=3, generations=1, width=1, gate=12))
    run(runtime, options(level=3, generations=2, width=1, gate=24))
    assert verify_archive(archive_of(runtime)) == []


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


def test_the_programs_own_selection_chooses_parents(open_world: Open, options: Options) -> None:
    runtime = open_world()
    first = "def select(archive, rng):\n    rng.random()\n    return archive[0]['id']\n"
    asked = options(files={**program(3), "select_parent.py": first}, policy="genome", generations=2)
    report, heard = run(runtime, asked)
    assert {c.parent for c in heard} == {report.first}
    assert all("fell_back" not in c.evidence for c in heard)


def test_a_selection_that_fails_falls_back_and_says_so(open_world: Open, options: Options) -> None:
    broken = "def select(archive, rng):\n    raise ValueError('tired')\n"
    _, heard = run(
        open_world(),
        options(files={**program(3), "select_parent.py": broken}, policy="genome", generations=1),
    )
    assert all("tired" in str(c.evidence["fell_back"]) for c in heard)


def test_hgm_measures_as_well_as_it_expands(open_world: Open, options: Options) -> None:
    runtime = open_world()
    report, heard = run(runtime, options(policy="hgm", generations=6, width=2))
    assert {c.action for c in heard} >= {"expand"}
    assert report.status == "finished"
    assert verify_archive(archive_of(runtime)) == []


def test_several_workers_make_the_same_archive(open_world: Open, options: Options, own_home: Path) -> None:
    one, _ = run(open_world(), options(width=3))
    programs = {v.id: v.score for v in archive_of(open_world()).variants()}
    shutil.rmtree(own_home)
    many, _ = run(open_world(workers=3), options(width=3))
    assert {v.id: v.score for v in archive_of(open_world()).variants()} == programs
    assert one.active == many.active


CRASHING = """
import sys
sys.path.insert(0, {root!r})
from tests.evolution.world import World
from evolvent.practice import EvolveJob
from evolvent.testing.runtimes import plugin_runtime
from evolvent.types import EvolveOptions

given = {{"home": sys.argv[1], "sandbox": "bubblewrap", "script": {{"": "a remark"}}, "lock_wait": 60}}
with plugin_runtime(World(), **given) as runtime:
    options = EvolveOptions.model_validate_json(sys.argv[2])
    if not any(row.job == "evolve" and row.result for row in runtime.runs.list()):  # else it was killed at its exit
        EvolveJob(runtime, "sums", options).run()
"""


def test_kill_9_anywhere_leads_to_the_archive_of_an_uninterrupted_run(
    options: Options, tmp_path: Path, own_home: Path
) -> None:
    script = tmp_path / "run.py"
    script.write_text(CRASHING.format(root=str(Path(__file__).parents[2])))
    asked = options(level=2, generations=4, operators=("step", "remark"), policy="dgm-h").model_dump_json()
    env = {**os.environ, "PYTHONHASHSEED": "random"}

    def start(home: Path) -> subprocess.Popen[str]:
        command = [sys.executable, str(script), str(home), asked]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)

    began = time.monotonic()
    whole = start(tmp_path / "whole")
    assert whole.wait(250) == 0
    took = time.monotonic() - began
    chance = random.Random(5)
    kills = 0
    while True:
        broken = start(tmp_path / "broken")
        try:
            broken.wait(took * chance.uniform(0.15, 0.6) if kills < 5 else 250)
        except subprocess.TimeoutExpired:
            broken.send_signal(signal.SIGKILL)
            broken.wait()
            kills += 1
            continue
        assert broken.returncode == 0
        break
    assert kills >= 2
    assert _content(tmp_path / "broken") == _content(tmp_path / "whole")


def _content(home: Path) -> list[Any]:
    """Return everything that an archive holds but for clocks and the names of runs."""
    import sqlite3

    with sqlite3.connect(home / "evolvent.db") as database:
        rows = [
            *database.execute(
                "SELECT number, id, tree, parents, generation, operator, viable FROM variants ORDER BY id"
            ),
            *database.execute(
                "SELECT number, parent, status, stage, reason, variant FROM candidates ORDER BY number"
            ),
            *database.execute(
                "SELECT variant, split, task_id, score, status FROM evaluations ORDER BY 1, 2, 3"
            ),
            *database.execute("SELECT number, variant, incumbent, accepted FROM gates ORDER BY number"),
        ]
        counted = database.execute("SELECT count(*) FROM evaluations").fetchone()
    return [*rows, counted, (home / "genomes.git" / "refs" / "heads" / "active").read_text()]
