"""The life of a skill: moves with their evidence, versions that can be put back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolvent.errors import IntegrityError, UnknownName, UsageError
from evolvent.library import SkillStore
from evolvent.library.format import draft
from evolvent.library.lifecycle import MOVES, check_move
from evolvent.types import SkillState


@pytest.fixture
def kept(store, backward, admitted):
    skill = draft(backward)
    return store.add(skill, admitted(skill))


def history(store, name):
    folder = store.root.parent / "history" / name
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_every_state_can_be_left_and_quarantine_is_near():
    assert set(MOVES) == set(SkillState)
    for state, after in MOVES.items():
        assert after
        assert state is SkillState.QUARANTINED or SkillState.QUARANTINED in after
    assert SkillState.ACTIVE not in MOVES[SkillState.CANDIDATE], "nothing becomes active without probation"
    assert SkillState.ACTIVE not in MOVES[SkillState.QUARANTINED] | MOVES[SkillState.RETIRED]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(SkillState)), st.sampled_from(list(SkillState)))
def test_a_move_that_is_not_on_the_map_is_refused(before, after):
    if after in MOVES[before]:
        check_move("s", before, after, "why")
        return
    with pytest.raises(UsageError, match="cannot become"):
        check_move("s", before, after, "why")


def test_moves_are_kept_with_the_folder_and_told(store, heard, kept):
    store.move(kept.name, SkillState.ACTIVE, "helps", "trials", {"helps": 21.0})
    store.move(kept.name, SkillState.STALE, "not needed", "audit")
    again = SkillStore(store.root, seeds=None)
    assert (again.get(kept.name).state, again.get(kept.name).reason) == (SkillState.STALE, "not needed")
    moves = again.moves(kept.name)
    assert [(m.before.value, m.after.value, m.by) for m in moves] == [
        ("candidate", "probation", "admission"),
        ("probation", "active", "trials"),
        ("active", "stale", "audit"),
    ]
    assert moves[1].evidence == {"helps": 21.0}
    assert [(skill.state.value, move, number) for skill, move, number in heard] == [
        (move.after.value, move, number) for number, move in enumerate(moves, 1)
    ]
    assert history(store, kept.name) == [], "the same version is there once"
    assert again.report(kept.name, kept.digest) is not None


def test_a_move_to_where_it_is_changes_nothing(store, heard, kept):
    before = len(heard)
    store.move(kept.name, SkillState.PROBATION, "again")
    assert len(heard) == before


def test_a_move_needs_a_reason_and_a_place_on_the_map(store, kept):
    with pytest.raises(UsageError, match="needs a reason"):
        store.move(kept.name, SkillState.ACTIVE, " ")
    with pytest.raises(
        UsageError, match="'spell-backward' is probation and cannot become rejected; allowed: active"
    ):
        store.move(kept.name, SkillState.REJECTED, "no")


def test_a_pinned_skill_is_moved_and_replaced_by_people_only(store, kept, propose, admitted):
    store.pin(kept.name)
    again = SkillStore(store.root, seeds=None)
    assert again.get(kept.name).pinned
    assert [m.after for m in again.moves(kept.name)] == [SkillState.PROBATION], "a pin is no move"
    with pytest.raises(UsageError, match="pinned"):
        store.move(kept.name, SkillState.RETIRED, "harms", "trials")
    new = draft(propose(body="# Better"))
    with pytest.raises(UsageError, match="pinned at version"):
        store.add(new, admitted(new))
    store.move(kept.name, SkillState.RETIRED, "not wanted")
    store.pin(kept.name, False)
    assert store.get(kept.name).state is SkillState.RETIRED
    store.add(new, admitted(new))
    assert store.get(kept.name).digest == new.digest


def test_what_was_changed_by_hand_is_not_overwritten(store, kept):
    path = store.root / kept.name / "SKILL.md"
    path.write_text(path.read_text().replace("Reverse the letters.", "Reverse all letters."))
    for change in (lambda: store.pin(kept.name), lambda: store.retire(kept.name, "old")):
        with pytest.raises(IntegrityError, match="changed"):
            change()
    assert "all letters" in path.read_text()


def test_versions_are_listed_and_put_back(store, kept, propose, admitted):
    store.move(kept.name, SkillState.ACTIVE, "helps", "trials")
    second, third = draft(propose(body="# Second")), draft(propose(body="# Third"))
    for skill in (second, third):
        store.add(skill, admitted(skill))
    found = store.versions(kept.name)
    assert [(v.skill.digest, v.present) for v in found] == [
        (third.digest, True),
        (second.digest, False),
        (kept.digest, False),
    ]
    back = store.rollback(kept.name, kept.digest[:6], "the third is slow")
    assert (back.digest, back.state) == (kept.digest, SkillState.ACTIVE), "it had proved itself"
    assert store.moves(kept.name)[-1].reason == "the third is slow"
    assert store.moves(kept.name)[-1].evidence == {"replaces": third.digest}
    assert {v.skill.digest for v in store.versions(kept.name)} == {kept.digest, second.digest, third.digest}
    assert store.rollback(kept.name).digest == third.digest, "the last one that was replaced"
    assert store.get(kept.name).state is SkillState.PROBATION
    assert SkillStore(store.root, seeds=None).get(kept.name).digest == third.digest


def test_a_retired_version_comes_back_on_probation(store, kept, propose, admitted):
    store.retire(kept.name, "harms")
    new = draft(propose(body="# New"))
    store.add(new, admitted(new))
    back = store.rollback(kept.name, kept.digest)
    assert (back.digest, back.state) == (kept.digest, SkillState.PROBATION)


def test_what_is_no_version_cannot_be_put_back(store, kept):
    with pytest.raises(UsageError, match="no earlier version"):
        store.rollback(kept.name)
    with pytest.raises(UnknownName, match="version of 'spell-backward'"):
        store.rollback(kept.name, "zzzz")
    with pytest.raises(UnknownName):
        store.rollback("nobody")


def test_a_damaged_version_in_the_history_is_named_and_skipped(store, kept, propose, admitted):
    new = draft(propose(body="# New"))
    store.add(new, admitted(new))
    (store.root.parent / "history" / kept.name / kept.digest / "SKILL.md").write_text("scribble")
    assert [v.skill.digest for v in store.versions(kept.name)] == [new.digest]
    assert "history" in store.problems()[-1]
