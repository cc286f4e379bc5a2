"""The learning job with a scripted model: real suite, sandbox, admission and stores."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from evolvent import Runtime, Split
from evolvent.errors import UnknownName, UsageError
from evolvent.practice import LearnJob, LearnOptions, Progress
from evolvent.practice.plan import plan_families
from evolvent.types import SkillState

Open = Callable[..., Runtime]
SMALL = LearnOptions(held_out=3, practise=2, study=4, cases=8)
RIGHT = "```python\ndef solve(text: str) -> str:\n    return text[::-1]\n```"
WRONG = "```python\ndef solve(text: str) -> str:\n    return text\n```"
CODE = "You write small"
"""How the request for code begins."""


def test_a_right_function_becomes_a_skill_that_answers_held_out_tasks(open_runtime: Open) -> None:
    runtime = open_runtime({CODE: RIGHT, "": "no idea"})
    report = LearnJob(runtime, "reasoning-gym:spell_backward", SMALL).run()
    (family,) = report.families
    assert family.score.after == 1.0
    assert family.score.before < 0.5
    assert family.tokens.after == 0
    assert report.wrongly_applied == 0
    (outcome,) = report.skills
    assert outcome.admitted
    assert outcome.cases == 8
    assert outcome.state is SkillState.ACTIVE
    assert family.skill == outcome.name
    skill = runtime.skills.get(outcome.name)
    assert len(skill.cases) == 8
    (admitted, proven) = runtime.skills.moves(outcome.name)
    assert (admitted.by, proven.by) == ("admission", "trials")
    assert proven.reason.startswith("helps: score")
    assert proven.evidence["effect"] > 0.3
    moved = [e for e in runtime.ledger.events() if e.kind == "skill.moved"]
    assert [(e.before, e.after) for e in moved] == [("candidate", "probation"), ("probation", "active")]


def test_a_skill_stays_on_probation_without_trials(open_runtime: Open) -> None:
    runtime = open_runtime({CODE: RIGHT, "": "no idea"})
    options = SMALL.model_copy(update={"trials": 0})
    report = LearnJob(runtime, "reasoning-gym:spell_backward", options).run()
    assert report.skills[0].state is SkillState.PROBATION
    assert report.families[0].score.after == 1.0, (
        "a skill on probation is used, and never withheld when measuring"
    )


def test_what_failed_because_a_skill_was_withheld_teaches_nothing(open_runtime: Open) -> None:
    runtime = open_runtime({CODE: RIGHT, "": "no idea"})
    options = SMALL.model_copy(update={"practise": 1})
    report = LearnJob(runtime, "reasoning-gym:spell_backward", options).run()
    assert (report.skills[0].admitted, report.lessons) == (True, 0)


def test_what_a_skill_was_written_from_does_not_admit_it(open_runtime: Open) -> None:
    runtime = open_runtime({CODE: RIGHT, "": "no idea"})
    job = LearnJob(runtime, "reasoning-gym:spell_backward", SMALL)
    (plan,) = plan_families(runtime.suite("reasoning-gym:spell_backward"), SMALL)
    report = job.run()
    skill = runtime.skills.get(report.skills[0].name)
    judged = {case.task_id for case in skill.cases}
    shown = {task.id for task in (*plan.practise, *plan.material.studied)}
    assert judged == {task.id for task in plan.material.cases}
    assert judged.isdisjoint(shown)


def test_the_uses_of_tasks_are_disjoint(open_runtime: Open) -> None:
    suite = open_runtime().suite("reasoning-gym:gcd,spell_backward")
    for plan in plan_families(suite, LearnOptions()):
        uses = [plan.held_out, plan.practise, plan.material.studied, plan.material.cases, plan.trials]
        prompts = [task.prompt for use in uses for task in use]
        assert len(prompts) == len(set(prompts))
        assert {task.split for task in plan.held_out} == {Split.SEALED}
        assert {task.split for use in uses[1:] for task in use} == {Split.TRAIN}
        assert plan.material.foreign


def test_a_wrong_function_leaves_a_lesson_and_no_skill(open_runtime: Open) -> None:
    runtime = open_runtime({CODE: WRONG, "": "no idea"})
    before = [skill.name for skill in runtime.skills.list()]
    report = LearnJob(runtime, "reasoning-gym:spell_backward", SMALL).run()
    assert report.skills == ()
    assert report.lessons >= 1
    assert [skill.name for skill in runtime.skills.list()] == before
    code_requests = [c for c in runtime._model.calls if CODE in c.text]  # type: ignore[union-attr]
    assert len(code_requests) == 12, "the number of tries is bounded"


def test_code_that_only_knows_its_examples_is_rejected_with_the_reason(open_runtime: Open) -> None:
    runtime = open_runtime()
    suite = runtime.suite("reasoning-gym:spell_backward")
    (plan,) = plan_families(suite, SMALL)
    shown = [*plan.practise, *plan.material.studied]
    judge = runtime.plugins.evaluators.get("reasoning-gym")
    table = {
        task.prompt.rsplit(" ", 1)[-1]: judge.evaluate(task, None, runtime.sandbox).expected for task in shown
    }
    cheat = (
        f"```python\nTABLE = {table!r}\ndef solve(text: str) -> str:\n    return TABLE.get(text, 'x')\n```"
    )
    runtime = open_runtime({CODE: cheat, "": "no idea"})
    report = LearnJob(runtime, "reasoning-gym:spell_backward", SMALL).run()
    (outcome,) = report.skills
    assert not outcome.admitted
    assert outcome.reason
    (refused,) = runtime.skills.rejected()
    assert refused.reason == outcome.reason


def test_held_out_tasks_leave_nothing_behind(open_runtime: Open) -> None:
    runtime = open_runtime({"": "no idea"})
    (plan,) = plan_families(runtime.suite("reasoning-gym:spell_backward"), SMALL)
    LearnJob(runtime, "reasoning-gym:spell_backward", SMALL).run()
    kept = json.dumps([lesson.model_dump() for lesson in runtime.lessons.all()])
    for task in plan.held_out:
        assert task.prompt.rsplit(" ", 1)[-1] not in kept


def test_two_homes_with_one_seed_agree(open_runtime: Open, tmp_path: Path) -> None:
    reports = []
    for name in ("one", "two"):
        runtime = open_runtime({CODE: RIGHT, "": "no idea"}, home=tmp_path / name)
        report = LearnJob(runtime, "reasoning-gym:spell_backward", SMALL).run()
        digests = {skill.name: skill.digest for skill in runtime.skills.list()}
        data = report.model_dump(mode="json", exclude={"run_id", "wall_s"})
        del data["usage"]["seconds"]
        reports.append((data, digests))
    assert reports[0] == reports[1]


def test_another_seed_asks_the_model_with_other_seeds(open_runtime: Open, tmp_path: Path) -> None:
    from evolvent.graphs.seeds import unit_seed

    assert unit_seed(0, "measure", "t-1") != unit_seed(1, "measure", "t-1")
    assert unit_seed(0, "measure", "t-1") == unit_seed(0, "measure", "t-1")


def test_bad_names_and_suites_are_named(open_runtime: Open, tmp_path: Path) -> None:
    runtime = open_runtime()
    with pytest.raises(UnknownName, match="did you mean 'spell_backward'"):
        LearnJob(runtime, "reasoning-gym:spel_backward")
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text('{"prompt": "a", "evaluator": "exact", "reference": "b", "split": "train"}\n')
    with pytest.raises(UsageError, match="no sealed tasks"):
        LearnJob(runtime, f"file:{tasks}")


PROGRAM = """
import os, signal, sys
from evolvent import Runtime
from evolvent.practice import LearnJob, LearnOptions
from evolvent.testing import ScriptedModel

RIGHT = {right!r}
stop_at = int(sys.argv[1])

def heard(progress):
    print("cached" if progress.cached else "done", progress.phase, progress.done, flush=True)
    if progress.done == stop_at:
        os.kill(os.getpid(), signal.SIGKILL)

with Runtime.open(chat_model=ScriptedModel(script={{"You write small": RIGHT, "": "no idea"}})) as runtime:
    job = LearnJob(
        runtime, "reasoning-gym:spell_backward", LearnOptions(held_out=3, study=4, cases=8), listener=heard
    )
    report = job.run()
    print(report.model_dump_json(exclude={{"run_id", "wall_s", "usage"}}))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)  # five processes, of 200 seconds at most
def test_a_killed_job_goes_on_where_it_was(tmp_path: Path) -> None:
    def run(stop_at: int, home: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "EVOLVENT_HOME": str(tmp_path / home)}
        program = PROGRAM.format(right=RIGHT)
        return subprocess.run(
            [sys.executable, "-c", program, str(stop_at)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    whole = run(0, "whole")
    assert whole.returncode == 0, whole.stderr
    parts = len(whole.stdout.splitlines()) - 1
    for stop_at in (2, 5, 9):
        killed = run(stop_at, "killed")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = run(0, "killed")
    lines = resumed.stdout.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["cached"] * 9 + ["done"] * (parts - 9)
    assert [line.split()[1] for line in lines[5:9]] == ["trial"] * 4
    assert json.loads(lines[-1]) == json.loads(whole.stdout.splitlines()[-1])


def test_progress_counts_every_part(open_runtime: Open) -> None:
    heard: list[Progress] = []
    runtime = open_runtime({"": "no idea"})
    job = LearnJob(runtime, "reasoning-gym:spell_backward", SMALL, listener=heard.append)
    job.run()
    assert [p.done for p in heard] == list(range(1, job.total + 1))
    assert {p.phase for p in heard} == {"before", "practise", "learn", "after"}


def test_a_finished_job_is_not_continued(open_runtime: Open) -> None:
    runtime = open_runtime({"": "no idea"})
    first = LearnJob(runtime, "reasoning-gym:spell_backward", SMALL)
    first.run()
    second = LearnJob(runtime, "reasoning-gym:spell_backward", SMALL)
    assert not second.resumed
    assert second.run_id != first.run_id
