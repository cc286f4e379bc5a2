"""Backups: one consistent file, and the way back."""

from __future__ import annotations

import json
import os
import tarfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.storage.living import Living, rows, tree
from typer.testing import CliRunner

from evolvent.cli import app
from evolvent.errors import HomeBusy, IntegrityError, UsageError
from evolvent.library.store import SkillStore
from evolvent.storage import GenomeStore, Home, open_database
from evolvent.storage.backups import Manifest, back_up, restore
from evolvent.storage.backups.manifest import LEFT_OUT
from evolvent.storage.backups.unpacking import read_manifest
from evolvent.storage.database import SCHEMA
from evolvent.storage.tables import JobRow
from evolvent.types import JobRequest


def test_what_is_restored_is_what_was_there(living: Living, tmp_path: Path) -> None:
    home = living.home
    for number in range(5):
        living.submit(number)
    program = living.genomes.add({"task_agent.py": "def solve(task, ctx):\n    return 1\n"}, message="first")
    living.genomes.set_active(program)
    for name, content in {
        "skills/add/SKILL.md": "---\nname: add\n---\n",
        "skills/add/scripts/run.sh": "#!/bin/sh\n",
        "history/add/0123abcd/SKILL.md": "older",
        "retrieval.json": "{}",
        "chroma/index.bin": "rebuilt",
        "models/big.gguf": "weights",
        "daemon.token": "evo_secret",
        "daemon.env": "OPENAI_API_KEY=sk-secret",
        "plugin-state/a.json": "[]",
    }.items():
        path = home.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (home.path / "skills/add/scripts/run.sh").chmod(0o755)
    (home.path / "empty/inner").mkdir(parents=True)
    (home.path / "link").symlink_to("/etc/passwd")
    before, jobs = tree(home.path), rows(home)
    made = back_up(home, tmp_path / "copy.tar.gz")

    assert made.stat().st_mode & 0o777 == 0o600
    manifest = read_manifest(made)
    assert manifest.schema_revision == SCHEMA
    assert {"chroma", "models", "daemon.token", "daemon.env", "logs", "link"} <= manifest.left_out.keys()
    with tarfile.open(made) as archive:
        raw = archive.getnames()
    assert not any("secret" in name or "token" in name for name in raw)

    other = Home(tmp_path / "other")
    done = restore(made, other)
    assert done.before is None
    assert tree(other.path) == {name: content for name, content in before.items() if name != "link"}
    assert rows(other) == jobs
    assert (other.path / "empty/inner").is_dir()
    assert os.access(other.path / "skills/add/scripts/run.sh", os.X_OK)
    assert other.path.stat().st_mode & 0o777 == 0o700
    restored = GenomeStore(other.genomes)
    assert restored.active() == program
    assert restored.verify(program) == []
    assert sorted(path.name for path in tmp_path.iterdir() if "other" in path.name) == ["other"]


def test_jobs_that_were_being_done_come_back_as_queued_and_unblamed(living: Living, tmp_path: Path) -> None:
    first = living.submit(1)
    living.submit(2)
    leased = living.queue.lease("w1")
    assert leased is not None
    assert leased.id == first
    made = back_up(living.home, tmp_path / "copy.tar.gz")
    done = restore(made, Home(tmp_path / "other"))
    assert done.queued == 1
    assert [(row.state, row.tries) for row in rows(Home(tmp_path / "other"))] == [
        ("queued", 0),
        ("queued", 0),
    ]


@pytest.mark.slow
def test_a_backup_of_a_busy_home_is_one_moment(living: Living, tmp_path: Path) -> None:
    """Writers do what the kernel does: the folder first, then the row; the object first, then the row."""
    over = threading.Event()
    skills, faults = living.home.skills, list[BaseException]()
    skills.mkdir()

    def write(worker: int) -> None:
        try:
            number = 0
            while not over.is_set():
                name = f"{worker}-{number:06}"
                part = skills / f".part-{name}"
                part.mkdir()
                for file in range(4):
                    (part / f"{file}.md").write_text(name)
                part.rename(skills / name)
                program = living.genomes.add({"task_agent.py": f"# {name}\n"})
                living.queue.submit(JobRequest(payload={"prompt": name, "inputs": {"program": program}}))
                number += 1
                time.sleep(0.005)
                if number % 40 == 0 and worker == 0:
                    living.genomes.pack()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(3)]
    for thread in threads:
        thread.start()
    made = []
    for _ in range(4):
        time.sleep(0.4)
        made.append(back_up(living.home))
    over.set()
    for thread in threads:
        thread.join()
    assert faults == []

    counts = []
    for number, file in enumerate(made):
        other = Home(tmp_path / f"other-{number}")
        restore(file, other)
        engine = open_database(other.database)
        with engine.connect() as connection:
            payloads = list(connection.execute(select(JobRow.payload).order_by(JobRow.number)).scalars())
        engine.dispose()
        genomes = GenomeStore(other.genomes)
        named = {payload["prompt"] for payload in payloads}
        there = {path.name for path in other.skills.iterdir() if not path.name.startswith(".")}
        assert named <= there
        assert len(there - named) <= 3, "each writer is one step ahead at most"
        for name in there:
            assert [(other.skills / name / f"{file}.md").read_text() for file in range(4)] == [name] * 4
        programs = {payload["inputs"]["program"] for payload in payloads}
        assert programs <= set(genomes)
        assert len(set(genomes) - programs) <= 3
        assert all(genomes.verify(program) == [] for program in genomes)
        counts.append(len(payloads))
    assert counts == sorted(set(counts)), "each is of a later moment"
    assert counts[0] > 0


def test_a_library_comes_back_as_it_was(living: Living, tmp_path: Path) -> None:
    from evolvent.library.store import seed_folder

    seed = next(path for path in sorted(seed_folder().iterdir()) if (path / "SKILL.md").is_file())
    store = SkillStore(living.home.skills)
    store.pin(seed.name)
    store.pin(seed.name, False)
    made = back_up(living.home, tmp_path / "copy.tar.gz")
    other = Home(tmp_path / "other")
    restore(made, other)
    again = SkillStore(other.skills)
    assert again.problems() == []
    assert again.get(seed.name) == store.get(seed.name)
    assert [version.skill.digest for version in again.versions(seed.name)] == [
        version.skill.digest for version in store.versions(seed.name)
    ]


def test_a_full_home_is_replaced_only_on_demand_and_kept(living: Living, tmp_path: Path) -> None:
    living.submit(1)
    made = back_up(living.home)
    living.submit(2)
    (living.home.path / "models").mkdir()
    (living.home.path / "models/m.gguf").write_text("weights")
    (living.home.path / "daemon.env").write_text("KEY=1")
    with pytest.raises(UsageError, match=r"is not empty.*evolvent\.db.*--replace"):
        restore(made, living.home)
    assert len(rows(living.home)) == 2
    done = restore(made, living.home, replace=True)
    assert done.before is not None
    assert done.before.name.startswith("living.before-restore-")
    assert len(rows(living.home)) == 1
    assert len(rows(Home(done.before))) == 2
    for kept in ("models/m.gguf", "daemon.env", f"backups/{made.name}"):
        assert (living.home.path / kept).is_file()
    assert not living.home.held()


def test_a_home_in_use_is_refused(living: Living, tmp_path: Path) -> None:
    made = back_up(living.home)
    writer = Home(living.home.path)
    writer.acquire(0)
    try:
        with pytest.raises(HomeBusy, match="is held by process"):
            restore(made, Home(living.home.path), replace=True)
    finally:
        writer.release()


def test_what_cannot_be_backed_up_is_said(living: Living, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to back up"):
        back_up(Home(tmp_path / "nowhere"))
    there = tmp_path / "there.tar.gz"
    there.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        back_up(living.home, there)
    assert there.read_text() == "mine"
    with pytest.raises(UsageError, match=r"cannot be written: No such file or directory"):
        back_up(living.home, tmp_path / "no" / "such.tar.gz")
    living.submit(1)
    living.engine.dispose()
    content = bytearray(living.home.database.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    living.home.database.write_bytes(content)
    with pytest.raises(IntegrityError, match="damaged"):
        back_up(living.home, tmp_path / "copy.tar.gz")
    assert not (tmp_path / "copy.tar.gz").exists()
    assert not list(tmp_path.glob(".evolvent-backup-*"))


def test_a_backup_beside_other_peoples_folders_removes_none_of_them(living: Living, tmp_path: Path) -> None:
    mine = tmp_path / "to" / ".draft-novel"
    mine.mkdir(parents=True)
    (mine / "chapter-1").write_text("once")
    os.utime(mine, (0, 0))
    back_up(living.home, tmp_path / "to" / "copy.tar.gz")
    assert (mine / "chapter-1").read_text() == "once"


def test_a_backup_that_is_written_into_the_home_holds_no_piece_of_itself(
    living: Living, tmp_path: Path
) -> None:
    living.submit(1)
    (living.home.path / "notes.txt").write_text("kept")
    inside = living.home.path / "mine.tar.gz"
    found = set(read_manifest(back_up(living.home, inside)).members)
    assert found == set(read_manifest(back_up(living.home, tmp_path / "out.tar.gz")).members) - {
        "mine.tar.gz"
    }
    assert "notes.txt" in found


def test_scheduled_backups_are_counted_and_those_by_hand_are_not(living: Living) -> None:
    by_hand = back_up(living.home)
    made = [back_up(living.home, scheduled=True, keep=2) for _ in range(4)]
    left = sorted((living.home.path / "backups").iterdir())
    assert left == sorted([by_hand, *made[-2:]])


def run(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def test_the_commands(own_home: Path, tmp_path: Path) -> None:
    assert "nothing to back up" in run("backup").stderr
    with ExitStack() as stack:
        Living(own_home, stack).submit(1)
    made = json.loads(run("backup", "--json").stdout)
    assert Path(made["file"]).parent == own_home / "backups"
    assert made["bytes"] == Path(made["file"]).stat().st_size
    refused = run("restore", made["file"])
    assert refused.exit_code == 2
    assert "--replace" in refused.stderr
    done = run("restore", made["file"], "--replace", "--json")
    assert done.exit_code == 0
    assert Path(json.loads(done.stdout)["before"]).is_dir()
    assert len(rows(Home(own_home))) == 1
    broken = tmp_path / "broken.tar.gz"
    broken.write_text("no archive")
    refused = run("restore", str(broken), "--replace")
    assert refused.exit_code == 1
    assert "is no whole backup" in " ".join(refused.stderr.split())


def test_the_manifest_says_why_things_are_left_out() -> None:
    assert all(LEFT_OUT.values())
    assert Manifest(evolvent="1", schema_revision="0001", made_at="", members={}).size == 0
