"""Evolution from end to end: real suite, sandbox, repository and database; only the operators are the test's own."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.evolution.kills import compare_with_kills
from tests.evolution.world import (
    ASKING,
    META,
    SOLVE,
    Scripted,
    Step,
    World,
    archive_of,
    context_of,
    program,
    run,
)

from evolvent import Runtime
from evolvent.errors import IntegrityError, UnknownName, UsageError
from evolvent.evolution.promotion import activate, previous
from evolvent.evolution.verification import verify_archive
from evolvent.practice import EvolveJob
from evolvent.types import EvolveOptions, Split

Open = Callable[..., Runtime]
Options = Callable[..., EvolveOptions]


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
    counts = [len(list(archive.evaluations(context_of(runtime), Split.TRAIN, c.variant))) for c in heard]
    assert counts == [4, 4]
    assert report.accepted == 0


def test_canary_tasks_are_tried_and_not_counted(open_world: Open, options: Options) -> None:
    runtime = open_world(world=World(step=Step((6,))))
    report, _ = run(runtime, options(generations=1))
    assert report.accepted == 1
    assert runtime.evolution.tables.frozen() is None
    tasks = {e.task_id for e in runtime.evolution.tables.evaluations(context_of(runtime))}
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
    kept = [*runtime.evolution.tables.evaluations(context_of(runtime), Split.TRAIN, child.variant)]
    assert len(kept) == 2
    assert report.usage.model_calls == 9


def test_a_model_that_is_down_is_held_against_nobody(open_world: Open, options: Options) -> None:
    runtime = open_world(script=[ConnectionError("down")] * 20, model_retries=0)
    report, heard = run(runtime, options(operators=("remark",), generations=1))
    assert {c.status for c in heard} == {"failed"}
    assert report.failed == 2
    assert archive_of(runtime).tried() == archive_of(runtime).variants(), "no policy counts it as a child"


def test_budgets_end_a_run_and_it_goes_on_with_more(open_world: Open, options: Options) -> None:
    runtime = open_world()
    report, heard = run(runtime, options(max_tokens=0))
    assert (report.status, report.generations, heard) == ("budget", 0, [])
    assert report.detail == "the tokens of the run are spent: 0 of 0"
    job = EvolveJob(runtime, "sums", options())
    assert job.resumed
    assert job.run_id == report.run_id
    assert job.run().status == "finished"


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


def test_kill_9_anywhere_leads_to_the_archive_of_an_uninterrupted_run(
    options: Options, tmp_path: Path, own_home: Path
) -> None:
    asked = options(
        level=2, generations=4, operators=("step", "remark"), policy="dgm-h", seed=1, freeze_gap=1.0
    )
    found = compare_with_kills(tmp_path, asked.model_dump(mode="json"), 8, random.Random(5))
    assert len(found.lives) >= 2
    assert found.unlike == {}
    assert len(found.whole["candidates"]) == 8
    assert len(found.whole["gates"]) >= 1
