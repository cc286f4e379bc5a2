"""The tests of a skill, run again in the sandbox."""

import pytest

from evolvent.library.audit import audit
from evolvent.library.format import draft
from evolvent.library.retest import retest, settle
from evolvent.types import SkillCase, SkillState


def case(word, expected=None, answer=None):
    question = f"Spell this word backward: {word}"
    return SkillCase(question=question, expected=expected or word[::-1], answer=answer)


@pytest.fixture
def keep(store, backward, admitted):
    def keep(*cases, script=None):
        proposal = backward if script is None else backward.model_copy(update={"script": script})
        skill = draft(proposal).model_copy(update={"cases": cases})
        return store.add(skill, admitted(skill))

    return keep


def test_right_answers_pass_and_wrong_ones_say_what_came(store, keep, sandbox):
    skill = keep(case("ab"), case("abc", expected="xyz"), case("two words"))
    found = retest(store, skill, sandbox.forkserver())
    assert [o.passed for o in found] == [True, False, False]
    assert (found[1].got, found[1].expected, found[2].got) == ("cba", "xyz", None)


def test_what_was_judged_right_passes_though_it_is_not_the_expected_text(store, keep, functions):
    skill = keep(case("ab", expected="BA.", answer="ba"))
    assert [o.passed for o in retest(store, skill, functions)] == [True]


def test_a_script_that_raises_fails_with_its_error(store, keep, functions):
    skill = keep(case("ab"), script="def solve(question):\n    raise ValueError('no')\n")
    (found,) = retest(store, skill, functions)
    assert (found.passed, found.error) == (False, "ValueError: no")


def test_a_skill_that_fails_becomes_stale_and_comes_back_as_what_it_was(store, keep, functions):
    skill = keep(case("ab"))
    skill = store.move(skill.name, SkillState.ACTIVE, "helps", "trials")
    bad = [o.model_copy(update={"passed": False}) for o in retest(store, skill, functions)]
    stale = settle(store, skill, bad)
    assert (stale.state, stale.reason) == (SkillState.STALE, "fails 1 of its 1 tests")
    assert settle(store, stale, bad) is None
    back = settle(store, stale, retest(store, stale, functions))
    assert back.state is SkillState.ACTIVE
    assert [m.by for m in store.moves(skill.name)[-2:]] == ["audit", "audit"]


def test_without_tests_nothing_is_concluded(store, keep, functions):
    skill = keep()
    assert retest(store, skill, functions) == []
    assert settle(store, skill, []) is None


def test_an_audit_runs_them_where_it_has_a_sandbox(store, keep, functions):
    skill = keep(case("ab"), case("cd", expected="xy"))
    assert audit(store) == []
    (found,) = audit(store, functions=functions)
    assert (found.kind, found.mended) == ("failing", False)
    assert "fails 1 of its 2 tests; it is stale now" in found.what
    assert store.get(skill.name).state is SkillState.STALE


def test_an_audit_leaves_a_pinned_skill_but_names_it(store, keep, functions):
    skill = keep(case("cd", expected="xy"))
    store.pin(skill.name)
    (found,) = audit(store, functions=functions)
    assert "is pinned" in found.what
    assert store.get(skill.name).state is SkillState.PROBATION
