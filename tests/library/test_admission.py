"""Admission: evidence decides, and every decision is kept."""

import pytest

from evolvent.errors import SandboxLost
from evolvent.library import Admission, AdmissionPolicy, SkillStore
from evolvent.types import Decision, Limits, SkillState, Task

WORD = r"""
import re


def solve(question):
    match = re.fullmatch(r"Spell this word backward: (\w+)", question)
    return {body} if match else None
"""


@pytest.fixture
def admission(store, router, functions, evaluators):
    return Admission(store, router, functions, evaluators)


def stages(report):
    return [(stage.stage, stage.passed) for stage in report.stages]


def evidence(report, name):
    (found,) = [stage.evidence for stage in report.stages if stage.stage == name]
    return found


def script(body):
    return WORD.replace("{body}", body)


def test_a_good_skill_passes_all_stages_and_is_active(admission, store, backward, backward_tasks):
    report = admission.consider(backward, backward_tasks, foreign=["What is 2 + 2?"])
    assert report.admitted
    passed = ["format", "static", "guards", "tests", "falsify", "repeat", "duplicate"]
    assert stages(report) == [(stage, True) for stage in passed]
    skill = SkillStore(store.root, seeds=None).get("spell-backward")
    assert skill.state is SkillState.PROBATION
    assert len(skill.cases) == len(backward_tasks)
    assert skill.cases[0].expected == skill.cases[0].question.split()[-1][::-1]


def test_the_same_content_is_decided_once(admission, functions, backward, backward_tasks):
    first = admission.consider(backward, backward_tasks)
    calls = functions.calls
    assert admission.consider(backward, backward_tasks) == first
    assert functions.calls == calls


def test_a_refusal_stands_too(admission, functions, propose, backward_tasks):
    wrong = propose(script=script("match[1]"))
    first = admission.consider(wrong, backward_tasks)
    calls = functions.calls
    assert admission.consider(wrong, backward_tasks) == first
    assert functions.calls == calls


def test_one_wrong_answer_refuses_with_the_failing_case(admission, store, propose, backward_tasks):
    careless = propose(script=script("match[1][::-1] if match[1] != 'kappa' else 'kappa'"))
    report = admission.consider(careless, backward_tasks)
    assert report.reason == f"tests: 1 of {len(backward_tasks)} cases answered wrongly"
    assert report.stages[-1].evidence["failing"] == [
        {
            "task_id": "t-kappa",
            "question": "Spell this word backward: kappa",
            "got": "kappa",
            "expected": "appak",
            "error": "",
        }
    ]
    assert store.list() == []
    assert store.rejected()[0].reason == report.reason


@pytest.mark.parametrize(("limit", "admitted"), [(9, True), (8, False)])
def test_enough_of_the_cases_must_be_answered(admission, propose, backward_tasks, limit, admitted):
    known = sorted(task.prompt.split()[-1] for task in backward_tasks)[:limit]
    timid = propose(script=script(f"(match[1][::-1] if match[1] <= {known[-1]!r} else None)"))
    report = admission.consider(timid, backward_tasks)
    assert report.admitted is admitted
    assert evidence(report, "tests")["not_applicable"] == 12 - limit


def test_a_script_that_raises_gives_no_answer_and_says_why(admission, propose, backward_tasks):
    report = admission.consider(propose(script="def solve(question):\n    return 1 // 0\n"), backward_tasks)
    assert "0 of 12 cases answered (0 not applicable, 12 failed)" in report.reason
    assert "ZeroDivisionError" in report.stages[-1].evidence["failing"][0]["error"]


def test_the_tasks_that_it_was_written_from_do_not_count(admission, propose, backward_tasks):
    sources = tuple(task.id for task in backward_tasks[:5])
    report = admission.consider(propose(sources=sources), backward_tasks)
    assert report.reason == "tests: 7 cases other than its sources; at least 8 are needed"


def test_want_of_cases_is_no_standing_decision(admission, propose, backward_tasks):
    assert not admission.consider(propose(), backward_tasks[:3]).admitted
    assert admission.consider(propose(), backward_tasks).admitted


def test_tasks_that_nobody_can_judge_do_not_count(admission, propose):
    tasks = [Task(prompt=f"Spell this word backward: w{n}") for n in range(20)]
    assert "0 cases" in admission.consider(propose(), tasks).reason


def test_a_skill_that_answers_everything_is_refused(admission, propose, backward_tasks):
    eager = propose(script="def solve(question):\n    return question.split()[-1][::-1]\n")
    report = admission.consider(eager, backward_tasks, foreign=["What is 2 + 2?", "Who?"])
    assert report.reason == "tests: answers questions that are not of its kind: 2 of 2"


def test_a_twin_under_another_name_is_a_duplicate(admission, store, backward, propose, backward_tasks):
    admission.consider(backward, backward_tasks)
    twin = propose(name="reverse-word", script=script("''.join(reversed(match[1]))"))
    report = admission.consider(twin, backward_tasks)
    assert report.reason == "duplicate: does the same as the active skill 'spell-backward' on 8 inputs"
    assert [skill.name for skill in store.list()] == ["spell-backward"]


def test_a_new_version_must_pass_the_tests_of_the_old_one(admission, store, propose, backward_tasks):
    admission.consider(propose(), backward_tasks)
    narrow = propose(script=script("(match[1][::-1] if match[1] >= 'd' else None)"))
    report = admission.consider(narrow, backward_tasks)
    assert report.reason == "duplicate: would replace 'spell-backward', but no longer passes 2 of its tests"


def test_a_new_version_that_does_more_replaces_the_old_one(admission, store, propose, backward_tasks):
    narrow = propose(script=script("(match[1][::-1] if match[1] >= 'd' else None)"))
    assert admission.consider(narrow, backward_tasks).admitted
    wider = admission.consider(propose(), backward_tasks)
    assert wider.admitted
    assert store.get("spell-backward").digest == wider.digest


def test_a_retired_version_does_not_come_back(admission, store, backward, backward_tasks):
    admission.consider(backward, backward_tasks)
    store.retire("spell-backward", "wrong on umlauts")
    report = admission.consider(backward, backward_tasks)
    assert not report.admitted
    assert "was retired: wrong on umlauts" in report.reason
    assert store.get("spell-backward").state is SkillState.RETIRED


def test_prose_alone_is_not_evidence(admission, propose, backward_tasks):
    report = admission.consider(propose(script=None), backward_tasks)
    assert "no executable evidence" in report.reason


def test_the_static_look_comes_before_anything_runs(admission, functions, propose, backward_tasks):
    report = admission.consider(propose(script="import os\ndef solve(q): return os.name\n"), backward_tasks)
    assert stages(report) == [("format", True), ("static", False)]
    assert functions.calls == 0


def test_a_recited_script_is_refused_although_it_would_pass(admission, functions, propose, backward_tasks):
    table = {task.prompt: task.reference for task in backward_tasks}
    script = f"TABLE = {table!r}\n\n\ndef solve(question):\n    return TABLE.get(question)\n"
    report = admission.consider(propose(script=script), backward_tasks)
    assert "static: recites the answers of 12 known tasks" in report.reason
    assert functions.calls == 0


def test_a_guard_may_refuse(store, router, functions, evaluators, backward, backward_tasks):
    def review(proposal):
        return Decision(verdict="reject", reason=f"no {proposal.name} today", by="house")

    admission = Admission(store, router, functions, evaluators, review=review)
    report = admission.consider(backward, backward_tasks)
    assert report.reason == "guards: house: no spell-backward today"
    assert functions.calls == 0


def test_a_description_of_blanks_is_refused_by_format(admission, propose, backward_tasks):
    report = admission.consider(propose(description="   "), backward_tasks)
    assert stages(report) == [("format", False)]


def test_policy_numbers_are_the_callers(store, router, functions, evaluators, propose, backward_tasks):
    policy = AdmissionPolicy(min_cases=2, max_wrong=1)
    admission = Admission(store, router, functions, evaluators, policy)
    careless = propose(script=script("match[1][::-1] if match[1] != 'beta' else 'beta'"))
    assert admission.consider(careless, backward_tasks[:4]).admitted


def test_a_lost_sandbox_decides_nothing(store, router, evaluators, backward, backward_tasks):
    class Lost:
        def call_function(self, *args, **kwargs):
            raise SandboxLost("gone")

    with pytest.raises(SandboxLost):
        Admission(store, router, Lost(), evaluators).consider(backward, backward_tasks)
    assert (store.list(), store.rejected()) == ([], [])


HOSTILE = {
    "loops": "while True:\n        pass",
    "exits": "raise SystemExit(0)",
    "grows": "x = [0]\n    while True:\n        x += x",
    "recurses into itself": "x = []\n    x.append(x)\n    return x",
    "not a number": "return float('nan')",
    "prints a result": "print('{\"value\": 1}')",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_script_is_refused_in_the_real_sandbox(sandbox, store, router, evaluators, propose, case):
    limits = Limits(wall_seconds=1.0, cpu_seconds=1, memory_bytes=256 * 1024 * 1024)
    admission = Admission(store, router, sandbox, evaluators, limits=limits)
    tasks = [Task(prompt=f"q{n}", reference="x", evaluator="exact") for n in range(8)]
    report = admission.consider(propose(script=f"def solve(question):\n    {HOSTILE[case]}\n"), tasks)
    assert (report.admitted, report.stages[-1].stage) == (False, "tests")
    assert report.stages[-1].evidence["right"] == report.stages[-1].evidence["wrong"] == 0


def test_a_good_skill_is_admitted_in_the_real_sandbox(
    sandbox, store, router, evaluators, backward, backward_tasks
):
    report = Admission(store, router, sandbox, evaluators).consider(
        backward, backward_tasks, foreign=["Who?"]
    )
    assert report.admitted
    assert evidence(report, "tests")["right"] == 12
