"""An audit names what is wrong, mends what it can, and says what to do about the rest."""

from datetime import UTC, datetime, timedelta

import pytest

from evolvent.library import SkillStore
from evolvent.library.audit import audit
from evolvent.library.format import draft
from evolvent.library.lifecycle import move_key
from evolvent.types import SkillState


@pytest.fixture
def kept(store, backward, admitted):
    skill = draft(backward)
    return store.add(skill, admitted(skill))


def kinds(findings):
    return [(finding.kind, finding.skill) for finding in findings]


def test_a_healthy_library_has_no_findings(store, kept):
    assert audit(store) == []


def test_moves_that_the_ledger_missed_are_told_once(store, kept):
    store.move(kept.name, SkillState.ACTIVE, "helps", "trials")
    heard = []
    keys = [move_key(kept, move, number) for number, move in enumerate(store.moves(kept.name), 1)]
    known = frozenset(keys[:1])
    found = audit(store, tell=lambda *told: heard.append(told), told=known)
    assert [(f.kind, f.mended) for f in found] == [("untold", True)]
    ((skill, move, number),) = heard
    assert (skill.state, move.after, number) == (SkillState.ACTIVE, SkillState.ACTIVE, 2)
    assert audit(store, tell=heard.append, told=frozenset(keys)) == []


def test_a_state_that_no_move_explains_is_named(store, kept):
    path = store.root / kept.name / "SKILL.md"
    path.write_text(path.read_text().replace('evolvent-state: "probation"', 'evolvent-state: "active"'))
    found = audit(SkillStore(store.root, seeds=None))
    assert ("changed", kept.name) in kinds(found)
    assert any("says active, but its last move was to probation" in f.what for f in found)


def test_tests_that_were_changed_by_hand_are_named(store, kept):
    (store.root / kept.name / "tests" / "more.txt").write_text("x")
    (found,) = audit(SkillStore(store.root, seeds=None))
    assert (found.kind, found.mended) == ("changed", False)
    assert "tests/more.txt" in found.what


def test_secrets_in_any_file_come_first(store, kept):
    (store.root / kept.name / "tests" / "note.txt").write_text("password = hunter2hunter2")
    found = audit(SkillStore(store.root, seeds=None))
    assert found[0].kind == "secret"
    assert "retire" in found[0].remedy


def test_two_skills_with_one_script_are_duplicates(store, kept, propose, admitted):
    twin = draft(propose(name="word-reverser"))
    store.add(twin, admitted(twin))
    (found,) = audit(store)
    assert (found.kind, found.skill) == ("duplicate", "word-reverser")
    assert "'spell-backward'" in found.what


def test_what_belongs_to_no_skill_is_named(store, kept):
    (store.root.parent / "history" / "gone" / "abc").mkdir(parents=True)
    (store.root / "stray.txt").write_text("x")
    assert kinds(audit(store)) == [("orphaned", "gone"), ("orphaned", "stray.txt")]


def test_what_was_long_unused_is_stale_unless_it_was_used(store, kept):
    later = datetime.now(UTC) + timedelta(days=100)
    assert kinds(audit(store, now=later)) == [("stale", kept.name)]
    assert audit(store, now=later, used={kept.name: later - timedelta(days=1)}) == []


def test_what_was_mended_at_the_opening_and_what_was_not_is_told(store, kept):
    (store.root / kept.name / "SKILL.md").write_text("scribble")
    (store.root / "broken").mkdir()
    found = audit(SkillStore(store.root, seeds=None))
    assert [(f.kind, f.skill, f.mended) for f in found] == [
        ("unreadable", "broken", False),
        ("repaired", kept.name, True),
    ]
