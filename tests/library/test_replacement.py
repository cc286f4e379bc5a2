"""Twins, copies with a difference, wider skills and edits."""

import pytest

from evolvent.library import Admission
from evolvent.types import Task

WORD = """\
import re


def solve(question):
    match = re.fullmatch(r'{pattern}', question)
    return {answer} if match else None
"""
SHORT = """\
def solve(q):
    w = q.split("backward: ")
    return w[1][::-1] if w[0] == "Spell this word " else None
"""
PATTERN = r"Spell this word backward: (\w+)"


def script(answer, pattern=PATTERN):
    return WORD.replace("{pattern}", pattern).replace("{answer}", answer)


@pytest.fixture
def admission(store, router, functions, evaluators, backward, backward_tasks):
    admission = Admission(store, router, functions, evaluators)
    assert admission.consider(backward, backward_tasks).admitted
    return admission


def merge(report):
    return report.stages[-1].evidence["merge"]


def test_a_copy_that_differs_on_edges_is_proposed_for_merging(admission, propose, backward_tasks):
    copy = propose(name="reverse-word", script=script("match[1][::-1] if match[1].isascii() else match[1]"))
    report = admission.consider(copy, backward_tasks)
    assert "is a copy of 'spell-backward' that differs from it" in report.reason
    assert merge(report)["into"] == "spell-backward"
    assert merge(report)["differs"]


def test_one_that_answers_all_and_more_takes_the_place_of_the_old_one(
    admission, store, propose, backward_tasks
):
    wider = script("match[1][::-1]", r"(?:Spell this word backward|Reverse this word): (\w+)")
    more = [
        Task(prompt=f"Reverse this word: {w}", evaluator="exact", reference=w[::-1])
        for w in ("one", "two", "six")
    ]
    report = admission.consider(propose(name="reverse-word", script=wider), [*backward_tasks, *more])
    assert report.admitted, report.reason
    assert report.name == "spell-backward"
    assert [skill.name for skill in store.list()] == ["spell-backward"]
    assert len(store.get("spell-backward").cases) == 15
    (refused,) = store.rejected()
    assert refused.name == "reverse-word"
    assert merge(store.report("reverse-word", refused.digest))["gains"]
    again = admission.consider(propose(name="reverse-word", script=wider), [*backward_tasks, *more])
    assert again.digest == report.digest


def test_one_that_answers_less_is_a_twin(admission, propose, backward_tasks):
    narrow = propose(name="reverse-word", script=script("(match[1][::-1] if match[1] >= 'd' else None)"))
    report = admission.consider(narrow, backward_tasks)
    assert report.reason == "duplicate: answers only what the active skill 'spell-backward' answers already"


def test_two_of_the_same_text_and_other_questions_both_live(admission, store, propose):
    tasks = [Task(prompt=f"Shout this word: {n}x", evaluator="exact", reference=f"{n}X") for n in range(12)]
    other = propose(name="shout-word", script=script("match[1].upper()", r"Shout this word: (\w+)"))
    assert admission.consider(other, tasks).admitted
    assert len(store.usable()) == 2


def test_a_pinned_skill_is_not_replaced(admission, store, propose, backward_tasks):
    store.pin("spell-backward")
    report = admission.consider(propose(script=script("''.join(reversed(match[1]))")), backward_tasks)
    assert "'spell-backward' is pinned at version" in report.reason


def test_an_edit_that_is_no_better_is_refused(admission, store, propose, backward_tasks):
    before = store.get("spell-backward").digest
    report = admission.consider(propose(script=script("''.join(reversed(match[1]))")), backward_tasks)
    assert "is not shown to be better: 0 of 12 cases better, 0 worse" in report.reason
    assert store.get("spell-backward").digest == before


def test_an_edit_that_is_as_good_and_much_shorter_replaces(admission, propose, backward_tasks):
    assert admission.consider(propose(script=SHORT), backward_tasks).admitted


def test_an_edit_that_corrects_wrong_answers_replaces(
    store, router, functions, evaluators, propose, backward_tasks
):
    from evolvent.library import AdmissionPolicy

    lenient = Admission(store, router, functions, evaluators, AdmissionPolicy(max_wrong=12))
    assert lenient.consider(propose(script=script("match[1]")), backward_tasks).admitted
    report = Admission(store, router, functions, evaluators).consider(propose(), backward_tasks)
    assert report.admitted, report.reason
