"""Large libraries are opened from what was read before, and whatever changed is read again."""

import os

import pytest

from evolvent.library import SkillStore, readings
from evolvent.library.format import draft


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(readings, "FROM", 3)


@pytest.fixture
def read(monkeypatch):
    """The folders that are read whole."""
    import evolvent.library.store as store

    seen = []
    real = store.checked

    def checked(folder, **options):
        if not options:
            seen.append(folder.name)
        return real(folder, **options)

    monkeypatch.setattr(store, "checked", checked)
    return seen


@pytest.fixture
def many(store, propose, admitted):
    for number in range(5):
        skill = draft(propose(name=f"skill-{number}", body=f"# {number}"))
        store.add(skill, admitted(skill))
    return store


def opened(store, **options):
    return SkillStore(store.root, seeds=None, **options)


def test_the_second_opening_reads_no_folder_and_finds_the_same(many, read):
    first = opened(many).list()
    assert len(read) == 5
    read.clear()
    assert opened(many).list() == first == many.list()
    assert opened(many, repair=False).list() == first
    assert read == []


def test_a_small_library_is_always_read_whole(many, read, monkeypatch):
    monkeypatch.setattr(readings, "FROM", 6)
    opened(many)
    opened(many)
    assert len(read) == 10
    assert not (many.root.parent / "skills.cache").exists()


CHANGES = {
    "another text": lambda folder: (folder / "SKILL.md").write_text("scribble"),
    "the same size and time": lambda folder: (
        (folder / "scripts" / "solve.py").write_bytes(
            (folder / "scripts" / "solve.py").read_bytes().replace(b"word", b"w0rd")
        ),
        os.utime(folder / "scripts" / "solve.py", ns=(1, 1)),
    ),
    "a file more": lambda folder: (folder / "scripts" / "more.py").write_text("x = 1"),
    "a file less": lambda folder: (folder / "tests" / "evidence.json").unlink(),
    "a link": lambda folder: (folder / "link").symlink_to("/etc/passwd"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changed_is_read_again_and_mended(many, read, change):
    before = opened(many).list()
    read.clear()
    CHANGES[change](many.root / "skill-3")
    again = opened(many)
    assert "skill-3" in read
    assert "skill-2" not in read
    assert again.list() == before
    assert any(problem.startswith("repaired: skill-3") for problem in again.problems())


def test_a_moved_skill_is_not_remembered_in_its_old_state(many):
    opened(many)
    many.retire("skill-1", "old")
    assert opened(many).get("skill-1").state.value == "retired"


@pytest.mark.parametrize("damage", [b"", b"scribble" * 1000, None])
def test_a_cache_that_cannot_be_used_costs_only_time(many, damage):
    before = opened(many).list()
    path = many.root.parent / "skills.cache"
    if damage is None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
        path.write_bytes(content)
    else:
        path.write_bytes(damage)
    for _ in range(2):
        assert opened(many).list() == before
        assert opened(many, repair=False).list() == before
