"""Skills that call other skills, and what happens when those change."""

import subprocess
import sys

import pytest

from evolvent.errors import IntegrityError
from evolvent.library import Admission, SkillStore
from evolvent.library.composition import dependents, parts_of, requires, runnable
from evolvent.library.format import skill_digest
from evolvent.library.rebinding import retest_dependents
from evolvent.types import SkillState, Task

SHOUT = """\
import re

from skills import spell_backward


def solve(question):
    match = re.fullmatch(r"Spell backward and shout: (\\w+)", question)
    if match is None:
        return None
    return spell_backward.solve("Spell this word backward: " + match[1]).upper()
"""
SHORTER = """\
def solve(q):
    w = q.split("backward: ")
    return w[1][::-1] if w[0] == "Spell this word " else None
"""
TWICE = SHOUT.replace("and shout", "and shout twice").replace("spell_backward", "shout_backward")
TWICE = TWICE.replace('"Spell this word backward: "', '"Spell backward and shout: "').replace(
    ".upper()", " * 2"
)


def tasks(prompt, answer, words):
    return [Task(prompt=prompt + word, evaluator="exact", reference=answer(word)) for word in words]


@pytest.fixture
def words(backward_tasks):
    return [task.prompt.split()[-1] for task in backward_tasks]


@pytest.fixture
def admission(store, router, functions, evaluators):
    return Admission(store, router, functions, evaluators)


@pytest.fixture
def composed(admission, backward, backward_tasks, propose, words):
    """Admit spell-backward ← shout-backward ← shout-twice; return a function that proposes the last again."""
    assert admission.consider(backward, backward_tasks).admitted
    shout = tasks("Spell backward and shout: ", lambda word: word[::-1].upper(), words)
    first = admission.consider(propose(name="shout-backward", script=SHOUT), shout)
    assert first.admitted, first.reason
    twice = tasks("Spell backward and shout twice: ", lambda word: word[::-1].upper() * 2, words)
    second = admission.consider(propose(name="double-cry", script=TWICE), twice)
    assert second.admitted, second.reason
    return first


def test_a_skill_calls_others_in_the_versions_that_it_was_admitted_with(composed, store, functions):
    skill = store.get("shout-backward")
    assert requires(skill) == {"spell-backward": store.get("spell-backward").digest[:8]}
    source = runnable(store, store.get("double-cry"))
    (result,) = functions.call_function(source, "solve", [["Spell backward and shout twice: abc"]])
    assert result.value == "CBACBA"
    (stage,) = [stage for stage in composed.stages if stage.stage == "requires"]
    assert stage.evidence["requires"] == [f"spell-backward@{store.get('spell-backward').digest[:8]}"]


def test_it_runs_in_the_real_sandbox(composed, store, sandbox):
    source = runnable(store, store.get("double-cry"))
    (result,) = sandbox.call_function(source, "solve", [["Spell backward and shout twice: abc"]])
    assert result.value == "CBACBA"


def test_its_folder_runs_without_us(composed, store):
    script = store.folder("double-cry") / "scripts" / "solve.py"
    command = [sys.executable, str(script), "Spell backward and shout twice: abc"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "CBACBA"


def test_it_is_the_same_after_a_restart(composed, store):
    again = SkillStore(store.root, seeds=None)
    assert again.problems() == []
    assert runnable(again, again.get("double-cry")) == runnable(store, store.get("double-cry"))


def test_who_rests_on_a_skill(composed, store):
    assert [skill.name for skill in dependents(store, "spell-backward")] == ["shout-backward", "double-cry"]
    assert [skill.name for skill in dependents(store, "shout-backward")] == ["double-cry"]
    assert dependents(store, "double-cry") == []


def test_a_retired_support_makes_those_that_rest_on_it_stale(composed, store, functions):
    store.retire("spell-backward", "wrong on umlauts")
    outcomes = retest_dependents(store, functions, "spell-backward")
    assert [(outcome.name, outcome.passed) for outcome in outcomes] == [
        ("shout-backward", False),
        ("double-cry", False),
    ]
    assert "which is retired" in outcomes[0].reason
    assert store.get("shout-backward").state is store.get("double-cry").state is SkillState.STALE


def test_a_changed_support_is_tried_and_taken_over(
    composed, admission, store, functions, propose, backward_tasks
):
    shorter = propose(script=SHORTER)
    report = admission.consider(shorter, backward_tasks)
    assert report.admitted, report.reason
    outcomes = retest_dependents(store, functions, "spell-backward")
    assert all(outcome.passed for outcome in outcomes)
    assert requires(store.get("shout-backward")) == {"spell-backward": report.digest[:8]}
    assert store.get("shout-backward").state is SkillState.PROBATION


def test_until_then_it_runs_with_the_version_that_it_was_admitted_with(
    composed, admission, store, propose, backward_tasks
):
    before = runnable(store, store.get("shout-backward"))
    assert admission.consider(propose(script=SHORTER), backward_tasks).admitted
    assert runnable(store, store.get("shout-backward")) == before


@pytest.mark.parametrize(
    ("imports", "reason"),
    [
        ("from skills import nobody_knows", "calls the skill 'nobody-knows'"),
        ("from skills import spell_loud", "spell-loud → spell-loud: skills that call each other in a circle"),
    ],
)
def test_support_that_cannot_be_had_is_refused(admission, propose, words, imports, reason):
    script = SHOUT.replace("from skills import spell_backward", imports)
    found = tasks("Spell backward and shout: ", lambda word: word[::-1].upper(), words)
    report = admission.consider(propose(name="spell-loud", script=script), found)
    assert report.stages[-1].stage == "requires"
    assert reason in report.reason


def test_an_edit_that_closes_a_circle_is_refused(composed, admission, propose, backward_tasks):
    circular = SHOUT.replace("spell_backward", "double_cry").replace("and shout", "")
    report = admission.consider(propose(script=circular), backward_tasks)
    assert report.stages[-1].stage == "requires"
    assert "spell-backward → double-cry → shout-backward → spell-backward" in report.reason


def test_other_names_for_it_and_all_names_are_no_way_in(admission, propose, words):
    for line in (
        "from skills import spell_backward as s",
        "import skills",
        "from skills.x import y",
        "from skills import *",
    ):
        script = SHOUT.replace("from skills import spell_backward", line)
        report = admission.consider(propose(name="shout-backward", script=script), [])
        assert report.stages[-1].stage == "static", line


def test_depth_is_bounded(store):
    with pytest.raises(IntegrityError, match="calls the skill 'a'"):
        parts_of(store, "b", "from skills import a\n")


def test_rights_are_those_of_all_together(composed, admission, store, propose, words):
    called = store.get("spell-backward")
    version = skill_digest(
        called.name, called.description, called.body, called.script, ("Read", "Bash"), called.files
    )
    for path in (store.root / called.name / "SKILL.md", store.root / called.name / "tests" / "evidence.json"):
        text = path.read_text().replace("description:", "allowed-tools: Read Bash\ndescription:", 1)
        path.write_text(text.replace(called.digest, version))
    store.reload()
    found = tasks("Spell backward and whisper: ", lambda word: word[::-1].lower() + ".", words)
    script = SHOUT.replace("and shout", "and whisper").replace(".upper()", '.lower() + "."')
    report = admission.consider(propose(name="whispered-word", script=script), found)
    assert report.admitted, report.reason
    assert store.get("whispered-word").allowed_tools == ("Bash", "Read")
    assert SkillStore(store.root, seeds=None).problems() == []
