"""Damage control: whatever happens to one file, no skill in use is lost, and the store says what it did."""

import shutil

import pytest

from evolvent.library import SkillStore
from evolvent.library.format import draft
from evolvent.types import SkillState

DAMAGES = {
    "emptied": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "flipped": lambda content: content[:40] + bytes(255 - byte for byte in content[40:60]) + content[60:],
    "zeroed": lambda content: b"\0" * len(content),
}


def opened(store, **options):
    return SkillStore(store.root, seeds=None, **options)


@pytest.fixture
def kept(store, backward, admitted):
    skill = draft(backward)
    store.add(skill, admitted(skill))
    return store.move(skill.name, SkillState.ACTIVE, "helps", "trials")


def files_of(store):
    home = store.root.parent
    return sorted(
        path.relative_to(home) for path in home.rglob("*") if path.is_file() and "damaged" not in path.parts
    )


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_to_any_file_of_the_library_loses_no_active_skill(
    store, kept, propose, admitted, damage, tmp_path
):
    new = draft(propose(name="other", body="# Other"))
    store.add(new, admitted(new))
    newer = draft(propose(name="other", body="# Newer"))
    store.add(newer, admitted(newer))
    whole = tmp_path / "whole"
    shutil.copytree(store.root.parent, whole)
    files = files_of(store)
    assert len(files) > 8
    for relative in files:
        home = tmp_path / "damaged-home"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(whole, home)
        path = home / relative
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
        again = SkillStore(home / "skills", seeds=None)
        assert {(s.name, s.digest, s.state.value) for s in again.usable()} == {
            (kept.name, kept.digest, "active"),
            ("other", newer.digest, "probation"),
        }, relative
        assert SkillStore(home / "skills", seeds=None).problems() == [] or relative.parts[0] != "skills"


@pytest.mark.parametrize("gone", ["SKILL.md", "scripts/solve.py", "tests/evidence.json", "."])
def test_what_is_gone_is_put_back_and_said(store, kept, gone):
    target = store.root / kept.name / gone
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    again = opened(store)
    assert again.get(kept.name) == kept
    (problem,) = again.problems()
    assert problem.startswith(f"repaired: {kept.name}: its folder")
    assert opened(store).problems() == []


def test_an_edit_by_hand_is_set_aside_not_lost(store, kept):
    path = store.root / kept.name / "scripts" / "solve.py"
    path.write_text(path.read_text() + "\n# mine\n")
    again = opened(store)
    assert "# mine" not in again.get(kept.name).script
    assert f"kept as damaged/{kept.name}-1" in again.problems()[0]
    aside = store.root.parent / "damaged" / f"{kept.name}-1" / "scripts" / "solve.py"
    assert aside.read_text().endswith("# mine\n")


def test_a_link_in_place_of_a_skill_is_set_aside(store, kept, tmp_path):
    shutil.rmtree(store.root / kept.name)
    (store.root / kept.name).symlink_to(tmp_path)
    assert opened(store).get(kept.name) == kept
    assert tmp_path.is_dir()


def test_one_who_only_reads_repairs_nothing(store, kept):
    path = store.root / kept.name / "SKILL.md"
    path.write_text("scribble")
    again = opened(store, repair=False)
    assert again.list() == []
    assert "skipped" in again.problems()[0]
    assert path.read_text() == "scribble"


def test_a_library_that_comes_without_copies_gets_them(store, kept):
    shutil.rmtree(store.root.parent / "mirror")
    opened(store)
    (store.root / kept.name / "SKILL.md").unlink()
    assert opened(store).get(kept.name) == kept


def test_a_damaged_copy_is_named_and_the_folder_counts(store, kept):
    (store.root.parent / "mirror" / f"{kept.name}.json").write_text("scribble")
    assert opened(store).get(kept.name) == kept
    (store.root / kept.name / "SKILL.md").unlink()
    again = opened(store)
    assert again.list() == []
    assert any("cannot be read" in problem for problem in again.problems())


def test_no_skill_takes_the_place_of_another_with_a_similar_name(store, kept, propose, admitted):
    other = draft(propose(name=f"{kept.name}-more", body="# More"))
    store.add(other, admitted(other))
    (store.root / kept.name / "SKILL.md").write_text("scribble")
    (store.root / other.name / "tests" / "evidence.json").write_text("scribble")
    again = opened(store)
    assert {skill.name for skill in again.usable()} == {kept.name, other.name}
    assert len([p for p in again.problems() if p.startswith("repaired")]) == 2
