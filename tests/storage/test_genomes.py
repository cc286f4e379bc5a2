"""The store of agent programs: real git reads what it writes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.storage.programs import FILES, OTHER, git

from evolvent.errors import UnknownName, UsageError
from evolvent.storage import GenomeStore


def test_what_is_added_is_read_again(store: GenomeStore) -> None:
    seed = store.add(FILES, message="the seed")
    child = store.add(OTHER, [seed], "Longer answers help, ünlike short ones.")
    assert (store.files(seed), store.files(child)) == (FILES, OTHER)
    assert store.parents(child) == (seed,)
    assert store.parents(seed) == ()
    assert store.message(child) == "Longer answers help, ünlike short ones."
    assert store.tree(child) == store.tree_of(OTHER) != store.tree(seed)
    assert list(store) == sorted([seed, child])
    assert store.contains(child)
    assert not store.contains("0" * 40)
    assert store.verify(seed) == store.verify(child) == []


def test_the_id_is_decided_by_files_parents_and_message(tmp_path: Path) -> None:
    first, second = GenomeStore(tmp_path / "a"), GenomeStore(tmp_path / "b")
    for _ in range(2):
        ids = []
        for store in (first, second):
            seed = store.add(FILES, message="seed")
            ids.append([seed, store.add(dict(reversed(OTHER.items())), [seed], "why")])
        assert ids[0] == ids[1]
    assert len(list(first)) == 2
    assert first.add(OTHER, [ids[0][0]], "another why") not in ids[0]


def test_git_finds_nothing_wrong_and_shows_the_lineage(store: GenomeStore) -> None:
    line = [store.add(FILES, message="seed")]
    for number in range(5):
        line.append(store.add({**FILES, "genome.toml": f"# {number}\n"}, line[-1:], f"step {number}"))
    both = store.add(OTHER, [line[-1], line[2]], "crossover")
    store.set_active(both)
    assert "error" not in git(store, "fsck", "--strict", "--no-dangling")
    assert git(store, "log", "--format=%s", "active").splitlines()[0] == "crossover"
    assert git(store, "log", "--first-parent", "--format=%H").split() == [both, *reversed(line)]
    assert git(store, "log", "-1", "--format=%an <%ae> %at").strip() == "Evolvent <evolvent@localhost> 6"
    assert git(store, "show", f"{both}:prompts/answer.md") == "Answer at length."


def test_garbage_collection_takes_nothing_and_reads_go_on(store: GenomeStore) -> None:
    seed = store.add(FILES)
    children = [store.add({"genome.toml": f"# {n}\n"}, [seed], str(n)) for n in range(20)]
    git(store, "gc", "--prune=now", "--quiet")
    git(store, "pack-refs", "--all", "--prune")
    assert list(store) == sorted([seed, *children])
    reopened = GenomeStore(store.path)
    assert reopened.files(children[7]) == {"genome.toml": "# 7\n"}
    assert store.add({"genome.toml": "# 7\n"}, [seed], "7") == children[7]
    assert store.resolve(children[3][:12]) == children[3]
    assert all(reopened.verify(variant) == [] for variant in children)


def test_packing_keeps_everything_and_makes_it_small(store: GenomeStore) -> None:
    reader = GenomeStore(store.path)
    seed = store.add(FILES)
    children = [store.add({**FILES, "genome.toml": f"# {n}\n"}, [seed], str(n)) for n in range(50)]
    assert reader.files(children[0])["genome.toml"] == "# 0\n"
    store.set_active(children[-1])
    (store.path / "objects/pack/pack-0.idx.lock").write_text("a process was killed here")
    assert store.pack() == 1 + 50 + 51 + 3 + 50
    assert sum(1 for path in store.path.glob("objects/??/*")) == 0
    for opened in (store, reader, GenomeStore(store.path)):
        assert list(opened) == sorted([seed, *children])
        assert opened.files(children[9])["genome.toml"] == "# 9\n"
        assert opened.verify(children[9]) == []
        assert opened.resolve(children[4][:10]) == children[4]
        assert opened.active() == children[-1]
    assert store.add({**FILES, "genome.toml": "# 9\n"}, [seed], "9") == children[9]
    late = store.add(OTHER, [seed])
    assert store.pack() > 0
    assert list(store) == sorted([seed, *children, late])
    assert "error" not in git(store, "fsck", "--strict", "--no-dangling")
    git(store, "gc", "--prune=now", "--quiet")
    assert list(reader) == sorted([seed, *children, late])
    (store.path / "packed-refs.lock").touch()
    assert store.pack() == 0


def test_a_pack_that_is_stopped_is_finished_the_next_time(store: GenomeStore) -> None:
    children = [store.add({**FILES, "genome.toml": f"# {n}\n"}, [], str(n)) for n in range(9)]
    loose = len(list(store.path.glob("objects/??/*")))
    stop = threading.Event()
    stop.set()
    assert store.pack(stop) == loose
    assert len(list(store.path.glob("objects/??/*"))) == loose
    assert len(list(store.path.glob("refs/variants/*"))) == 9
    assert GenomeStore(store.path).pack() == 0, "all are in the first pack"
    assert len(list(store.path.glob("objects/pack/*.pack"))) == 1
    assert not list(store.path.glob("objects/??/*"))
    assert not list(store.path.glob("refs/variants/*"))
    assert list(store) == sorted(children)
    assert all(store.verify(child) == [] for child in children)


def test_a_pack_holds_up_nobody(store: GenomeStore) -> None:
    child = store.add(FILES)
    with FileLock(store.path / "info" / "pack.lock"):  # as the pack of another process does
        assert store.set_active(child)
        assert store.add(OTHER, [child])
    assert store.active() == child


def test_a_prefix_names_a_variant(store: GenomeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = store.add(FILES)
    assert store.resolve(seed) == store.resolve(seed[:4]) == seed
    with pytest.raises(UsageError, match="4 to 40"):
        store.resolve("xyz")
    with pytest.raises(UnknownName, match="unknown variant 'abcdabcd'"):
        store.resolve("abcdabcd")
    twin = seed[:10] + "0" * 30
    (store.path / "refs/variants" / twin).write_text(twin + "\n")
    with pytest.raises(UsageError, match="begins 2 ids"):
        store.resolve(seed[:10])


def test_unknown_variants_are_named(store: GenomeStore) -> None:
    for ask in (store.files, store.tree, store.parents, store.message, store.set_active):
        with pytest.raises(UnknownName, match="unknown variant"):
            ask("f" * 40)
    with pytest.raises(UnknownName, match="unknown variant"):
        store.add(FILES, ["f" * 40])
    assert store.verify("f" * 40) == [f"there is no variant {'f' * 40!r}"]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../up.py",
        "a//b",
        "prompts/",
        "a\0b",
        ".git/config",
        "x/.GIT/y",
        "a\nb",
        "a\\b",
        "\ud800",
    ],
)
def test_a_path_that_is_none_is_refused(store: GenomeStore, path: str) -> None:
    with pytest.raises(UsageError, match="path"):
        store.add({path: "text"})
    assert list(store) == []


def test_what_utf8_cannot_hold_is_refused(store: GenomeStore) -> None:
    with pytest.raises(UsageError, match=r"'a\.md' holds half of a surrogate pair"):
        store.add({"a.md": "\ud800"})
    with pytest.raises(UsageError, match="the message holds half"):
        store.add(FILES, message="\udfff")
    with pytest.raises(UsageError, match="NUL"):
        store.add(FILES, message="a\0b")
    with pytest.raises(UsageError, match="a file and a folder"):
        store.add({"prompts": "x", "prompts/a.md": "y"})


def test_a_diff_is_that_of_git(store: GenomeStore) -> None:
    old, new = store.add(FILES), store.add({**OTHER, "genome.toml": "a = 1\n"})
    text = store.diff(old, new)
    assert text == store.diff(old, new)
    assert "+Answer at length.\n\\ No newline at end of file" in text
    assert "-Briefly.\r\n" in text
    assert [line for line in text.splitlines() if line.startswith("+++")] == [
        "+++ b/genome.toml",
        "+++ b/prompts/answer.md",
    ]
    assert store.diff(old, old) == ""


def test_the_active_variant_is_swapped_by_comparison(store: GenomeStore) -> None:
    seed, child = store.add(FILES), store.add(OTHER)
    assert store.active() is None
    assert not store.set_active(seed, expected=child)
    assert store.set_active(seed, expected="")
    assert not store.set_active(child, expected="")
    assert store.active() == seed
    assert store.set_active(child, expected=seed)
    assert GenomeStore(store.path).active() == child


def test_many_programs_are_kept_as_one_by_one_is(store: GenomeStore, tmp_path: Path) -> None:
    root = store.add(FILES)
    others = [
        ({**FILES, "task_agent.py": f"LEVEL = {n % 40}\n"}, (root,), f"level {n % 40}") for n in range(60)
    ]
    names = store.add_all(others)
    alone = GenomeStore(tmp_path / "alone")
    alone.add(FILES)
    assert names == [alone.add(*program) for program in others]
    assert [store.files(name) for name in names] == [files for files, _, _ in others]
    mixed = store.add({"b.md": "2", "a/c.md": "1", "a.py": "0", "a-b.py": "3", "aé.py": "4", "a/b/d.md": "5"})
    for name in (*names, mixed):  # what is remembered comes in the order of what is read
        assert list(store.files(name)) == list(GenomeStore(store.path).files(name))
    assert all(store.verify(name) == [] for name in names)
    assert sorted({root, mixed, *names}) == list(store)


def test_one_program_that_cannot_be_kept_keeps_out_the_others(store: GenomeStore) -> None:
    with pytest.raises(UnknownName):
        store.add_all([(FILES, (), ""), (FILES, ("0" * 40,), "")])
    assert list(store) == []


NAMES = st.sampled_from(
    ["task_agent.py", "genome.toml", "prompts/a.md", "prompts/b.md", "prompts-c.md", "Z/é/x.md"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(
        NAMES, st.text(max_size=60) | st.sampled_from(["", "\r\n", "\r", "a\r\nb", "\ufeffx", "\0"])
    ),
    message=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60),
)
def test_any_text_comes_back_as_it_was(tmp_path: Path, files: dict[str, str], message: str) -> None:
    store = GenomeStore(tmp_path / "any.git", durable=False)
    variant = store.add(files, message=message)
    again = GenomeStore(store.path)
    assert again.files(variant) == files
    assert again.message(variant) == message
    assert again.tree(variant) == store.tree_of(files)
    assert again.verify(variant) == []


def test_git_agrees_after_all_sorts_of_texts(store: GenomeStore) -> None:
    texts = ["", "\r\n", "\ufeffx", "a\0b", "no newline", "é🙂\n"]
    names = ["a.md", "a/b.md", "a-b/c.md", "ab.md", "z/é.md", "z/y/x.md"]
    seed = store.add(dict(zip(names, texts, strict=True)), message="\n\nleading lines, ünd mehr\n")
    assert "error" not in git(store, "fsck", "--strict", "--no-dangling", seed)
    assert store.message(seed) == "\n\nleading lines, ünd mehr\n"
