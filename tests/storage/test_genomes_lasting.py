"""The store of agent programs outlasts damage, kills, and others at the same time."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
import sys
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.storage.programs import FILES, OTHER, blob_path, git

from evolvent.errors import IntegrityError, UsageError
from evolvent.storage import GenomeStore
from evolvent.storage import genomes as genomes_module


def test_damage_is_named_and_not_raised_by_verify(store: GenomeStore) -> None:
    seed = store.add(FILES)
    child = store.add(OTHER, [seed], "child")
    blob = git(store, "rev-parse", f"{child}:prompts/answer.md").strip()
    path = blob_path(store, blob)
    whole = path.read_bytes()
    path.chmod(0o644)
    for damaged in (whole[:10], b"", b"rubbish", zlib.compress(b"blob 5\0other"), zlib.compress(b"tree 0\0")):
        path.write_bytes(damaged)
        faults = GenomeStore(store.path).verify(child)
        assert len(faults) == 1, damaged
        assert "'prompts/answer.md'" in faults[0]
        assert blob in faults[0]
        with pytest.raises(IntegrityError, match=blob):
            GenomeStore(store.path).files(child)
    path.unlink()
    assert "is missing" in store.verify(child)[0]
    assert store.verify(seed) == []
    commit = blob_path(store, seed)
    commit.chmod(0o644)
    commit.write_bytes(zlib.compress(b"commit 4\0tree"))
    assert f"the commit {seed} of" in store.verify(seed)[0]
    (store.path / "refs/variants" / seed).unlink()
    assert any(f"the parent {seed} of {child} is missing" in fault for fault in store.verify(child))


def test_a_link_that_someone_committed_is_named(store: GenomeStore) -> None:
    blob = subprocess.run(
        ["git", "-C", str(store.path), "hash-object", "-w", "--stdin"],
        input="/etc/passwd",
        text=True,
        capture_output=True,
        check=True,
    ).stdout.strip()
    tree = subprocess.run(
        ["git", "-C", str(store.path), "mktree"],
        input=f"120000 blob {blob}\ttask_agent.py\n",
        text=True,
        capture_output=True,
        check=True,
    ).stdout.strip()
    commit = git(
        store, "-c", "user.name=x", "-c", "user.email=x@y", "commit-tree", tree, "-m", "link"
    ).strip()
    git(store, "update-ref", f"refs/variants/{commit}", commit)
    assert store.verify(commit) == ["'task_agent.py' is no regular file (mode 120000)"]
    with pytest.raises(IntegrityError, match="no regular file"):
        store.files(commit)


def test_a_kill_between_objects_and_ref_leaves_nothing_behind(
    store: GenomeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[str] = []

    def dies(files: Mapping[Path, bytes], durable: bool) -> None:
        assert {path.parent.name for path in files} == {"variants"}, "objects come first, elsewhere"
        left.extend(path.name for path in files)
        raise KeyboardInterrupt

    monkeypatch.setattr(genomes_module, "write_all", dies)
    with pytest.raises(KeyboardInterrupt):
        store.add(FILES)
    monkeypatch.undo()
    assert list(GenomeStore(store.path)) == []
    assert not store.contains(left[0])
    assert store.add(FILES) == left[0]
    assert store.verify(left[0]) == []


KILLED = """
import os, sys
from pathlib import Path
from evolvent.storage import GenomeStore
real, left = os.replace, int(sys.argv[2])
def replace(source, target):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
    real(source, target)
os.replace = replace
print(GenomeStore(Path(sys.argv[1])).add({"a.py": "x", "prompts/b.md": "y"}, message="m"))
"""


def test_a_kill_at_any_write_keeps_nobody_from_adding(tmp_path: Path) -> None:
    ended = []
    for count in range(12):
        path = tmp_path / str(count)
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(path), str(count)], capture_output=True, text=True
        )
        ended.append(done.returncode)
        store = GenomeStore(path)
        variant = store.add({"a.py": "x", "prompts/b.md": "y"}, message="m")
        assert store.verify(variant) == []
        assert "error" not in git(store, "fsck", "--strict")
    assert ended[0] == 9
    assert ended[-1] == 0


def test_a_half_made_store_is_mended(tmp_path: Path) -> None:
    whole = GenomeStore(tmp_path / "whole")
    seed = whole.add(FILES)
    for missing in ("HEAD", "config", "refs/variants", "objects/pack", "info"):
        copy = tmp_path / missing.replace("/", "-")
        shutil.copytree(whole.path, copy)
        part = copy / missing
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)
        store = GenomeStore(copy)
        assert store.add(FILES) == seed
        assert store.files(seed) == FILES


def test_something_else_in_its_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "letter.txt").write_text("x")
    for name in ("file", "folder"):
        with pytest.raises(UsageError, match="is not a git repository of agent programs"):
            GenomeStore(tmp_path / name)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["letter.txt"]


def _write(path: Path, start: int) -> None:
    store = GenomeStore(path, durable=False)
    seed = store.add(FILES)
    for number in range(start, start + 60):
        child = store.add({**FILES, "genome.toml": f"# {number}\n"}, [seed], str(number))
        store.set_active(child)


def test_processes_write_while_others_read(tmp_path: Path) -> None:
    path = tmp_path / "genomes.git"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(path, start)) for start in (0, 30)]
    for process in writers:
        process.start()
    while any(process.is_alive() for process in writers):
        reader = GenomeStore(path)
        assert all(reader.verify(variant) == [] for variant in reader)
        active = reader.active()
        assert active is None or reader.contains(active)
    for process in writers:
        process.join()
        assert process.exitcode == 0
    assert len(list(GenomeStore(path))) == 91


def test_threads_swap_the_active_variant_one_after_the_other(store: GenomeStore) -> None:
    seeds = [store.add({"genome.toml": f"# {n}\n"}) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda variant: store.set_active(variant, expected=""), seeds))
    assert won.count(True) == 1
    assert store.active() == seeds[won.index(True)]
