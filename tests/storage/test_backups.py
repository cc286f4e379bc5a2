"""Backups: one consistent file, the way back, and what hostile or damaged files can do (nothing)."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from evolvent.cli import app
from evolvent.errors import EvolventError, HomeBusy, IntegrityError, UsageError
from evolvent.library.store import SkillStore
from evolvent.storage import GenomeStore, Home, JobQueue, Ledger, open_database
from evolvent.storage.backups import Manifest, back_up, restore
from evolvent.storage.backups.manifest import LEFT_OUT, MANIFEST, PREFIX
from evolvent.storage.backups.unpacking import read_manifest
from evolvent.storage.database import SCHEMA
from evolvent.storage.tables import JobRow
from evolvent.types import JobRequest


class Living:
    """A home to which jobs, programs and folders are written."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.home = Home(path)
        self.home.create()
        engine = open_database(self.home.database)
        stack.callback(engine.dispose)
        self.engine = engine
        self.queue = JobQueue(engine, Ledger(engine))
        self.genomes = GenomeStore(self.home.genomes, durable=False)

    def submit(self, number: int) -> str:
        return self.queue.submit(JobRequest(payload={"prompt": f"q{number}"}))[0].id


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Living]:
    with ExitStack() as stack:
        yield Living(tmp_path / "living", stack)


def tree(folder: Path) -> dict[str, bytes]:
    """All files of a home that a backup holds, but the databases."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.relative_to(folder).parts[0] not in LEFT_OUT
        and not path.name.endswith((".db", ".lock"))
    }


def rows(home: Home) -> list[Any]:
    engine = open_database(home.database)
    with engine.connect() as connection:
        found = list(connection.execute(text("SELECT id, state, payload, tries FROM jobs ORDER BY number")))
    engine.dispose()
    return found


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


# --- damaged and hostile files


def packed(members: list[tuple[tarfile.TarInfo, bytes]], target: Path) -> Path:
    with tarfile.open(target, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for head, content in members:
            archive.addfile(head, io.BytesIO(content))
    return target


def head(name: str, content: bytes, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname = len(content), kind, link
    return made


def manifest_of(files: dict[str, bytes], **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    members = {
        path: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in files.items()
    }
    given = {"evolvent": "1", "schema_revision": SCHEMA, "made_at": "now", "members": members} | more
    body = json.dumps(given).encode()
    return head(MANIFEST, body), body


def hostile(kind: str) -> list[tuple[tarfile.TarInfo, bytes]]:
    body = b"content"
    good = (head(f"{PREFIX}a", body), body)
    match kind:
        case "leads out":
            return [manifest_of({"../out": body}), (head(f"{PREFIX}../out", body), body)]
        case "absolute":
            return [manifest_of({"/tmp/out": body}), (head(f"{PREFIX}/tmp/out", body), body)]
        case "environment of the unit":
            return [manifest_of({"daemon.env": body}), (head(f"{PREFIX}daemon.env", body), body)]
        case "folder leads out":
            return [manifest_of({"a": body}, folders=["x/../../out"]), good]
        case "link":
            return [manifest_of({"a": b""}), (head(f"{PREFIX}a", b"", tarfile.SYMTYPE, "/etc/passwd"), b"")]
        case "hard link":
            return [manifest_of({"a": b""}), (head(f"{PREFIX}a", b"", tarfile.LNKTYPE, "/etc/passwd"), b"")]
        case "device":
            return [manifest_of({"a": b""}), (head(f"{PREFIX}a", b"", tarfile.CHRTYPE), b"")]
        case "pipe":
            return [manifest_of({"a": b""}), (head(f"{PREFIX}a", b"", tarfile.FIFOTYPE), b"")]
        case "not named":
            return [manifest_of({"a": body}), good, (head(f"{PREFIX}b", body), body)]
        case "twice":
            return [manifest_of({"a": body}), good, good]
        case "missing":
            return [manifest_of({"a": body, "b": body}), good]
        case "other content":
            return [manifest_of({"a": b"CONTENT"}), good]
        case "longer":
            return [manifest_of({"a": b"cont"}), good]
        case "file and folder":
            return [
                manifest_of({"a": body, "a/b": body}), good, (head(f"{PREFIX}a/b", body), body),
            ]  # fmt: skip
        case "no manifest":
            return [good]
        case "manifest is no JSON":
            return [(head(MANIFEST, b"{"), b"{")]
        case "other format":
            return [manifest_of({}, format=2)]
        case "negative size":
            return [manifest_of({}, members={"a": {"size": -1, "sha256": "0" * 64}})]
        case "no database":
            return [manifest_of({"a": body}), good]
        case "database is none":
            return [manifest_of({"evolvent.db": body}), (head(f"{PREFIX}evolvent.db", body), body)]
    raise AssertionError(kind)


KINDS = (
    "leads out", "absolute", "environment of the unit", "folder leads out", "link", "hard link", "device", "pipe",
    "not named", "twice", "missing", "other content", "longer", "file and folder", "no manifest",
    "manifest is no JSON", "other format", "negative size", "no database", "database is none",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_file_changes_nothing(kind: str, living: Living, tmp_path: Path) -> None:
    living.submit(1)
    living.engine.dispose()
    before, jobs = tree(living.home.path), rows(living.home)
    around = sorted(tmp_path.iterdir())
    file = packed(hostile(kind), tmp_path / "hostile.tar.gz")
    with pytest.raises(IntegrityError):
        restore(file, living.home, replace=True)
    file.unlink()
    assert sorted(tmp_path.iterdir()) == around
    assert (tree(living.home.path), rows(living.home)) == (before, jobs)
    assert not living.home.held()


def test_a_header_that_is_as_long_as_the_files_may_be_takes_no_memory(tmp_path: Path) -> None:
    """A long name is read whole before anything of it is looked at."""
    size = 300_000_000
    announced = {"a": {"size": size, "sha256": "0" * 64}}
    members = [
        manifest_of({}, members=announced),
        (head("././@LongLink", b"", tarfile.GNUTYPE_LONGNAME), b""),
    ]
    file = tmp_path / "hostile.tar.gz"
    with tarfile.open(file, "w:gz", compresslevel=1) as archive:
        for member, content in members[:1]:
            archive.addfile(member, io.BytesIO(content))
        long = members[1][0]
        long.size = size
        with Path("/dev/zero").open("rb") as zeros:
            archive.addfile(long, zeros)
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError, match="unpacks to more"):
            restore(file, Home(tmp_path / "other"))
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


def test_names_that_the_system_cannot_hold_are_no_sound_backup(tmp_path: Path) -> None:
    path = "/".join(["ä" * 100] * 39)
    file = packed(
        [manifest_of({path: b"x"}), (head(f"{PREFIX}{path}", b"x"), b"x")], tmp_path / "long.tar.gz"
    )
    with pytest.raises(IntegrityError, match="cannot be a file's name"):
        restore(file, Home(tmp_path / "other"))


def test_a_newer_schema_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    file = packed([manifest_of({}, schema_revision="9999")], tmp_path / "newer.tar.gz")
    with pytest.raises(UsageError, match="schema '9999'.*Upgrade Evolvent"):
        restore(file, Home(tmp_path / "other"))
    assert not (tmp_path / "other").exists()


def test_a_bomb_ends_where_the_manifest_says(tmp_path: Path) -> None:
    """A header that holds gigabytes, and a member that is longer than it says, are not read to their end."""
    bomb = tmp_path / "bomb.tar.gz"
    huge = head(f"{PREFIX}a", b"")
    huge.pax_headers = {"comment": "x" * (300 * 2**20)}
    packed([manifest_of({"a": b""}), (huge, b"")], bomb)
    assert bomb.stat().st_size < 2**20
    with pytest.raises(IntegrityError, match="more than its manifest says"):
        restore(bomb, Home(tmp_path / "other"))
    first = tmp_path / "first.tar.gz"
    big = head(MANIFEST, b"")
    big.pax_headers = {"comment": "x" * (300 * 2**20)}
    packed([(big, b"")], first)
    with pytest.raises(IntegrityError):
        restore(first, Home(tmp_path / "other"))
    assert not (tmp_path / "other").exists()


def test_every_truncation_is_noticed(living: Living, tmp_path: Path) -> None:
    living.submit(1)
    made = back_up(living.home, tmp_path / "whole.tar.gz")
    content = made.read_bytes()
    other = Home(tmp_path / "other")
    for share in (0.0, 0.01, 0.3, 0.5, 0.9, 0.999):
        cut = tmp_path / "cut.tar.gz"
        cut.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(IntegrityError, match=r"cut\.tar\.gz' is no"):
            restore(cut, other)
        assert not other.path.exists()
    for place in (100, len(content) // 2, len(content) - 200):
        cut.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        with pytest.raises(EvolventError):
            restore(cut, other)
    assert not other.path.exists()
    with pytest.raises(UsageError, match="there is no file"):
        restore(tmp_path / "none.tar.gz", other)


# --- kills

KILLED = """
import os, signal, sys
from pathlib import Path
from evolvent.storage import Home
from evolvent.storage.backups import restore, restoring
at, file, home = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

if at == "unpacked":
    restoring._check = die
elif at == "checked":
    restoring._swap = die
elif at == "swapped":
    restoring._carry = die
elif at == "carried":
    restoring._kept = die
elif at == "unpacking":
    from evolvent.storage.backups import unpacking
    real, count = unpacking._store, []
    def store(*given):
        count.append(1)
        return die() if len(count) == 3 else real(*given)
    unpacking._store = store
restore(file, Home(home), replace=True)
"""


@pytest.mark.parametrize("at", ["unpacking", "unpacked", "checked", "swapped", "carried"])
def test_kill_9_in_the_middle_of_a_restore(at: str, living: Living, tmp_path: Path) -> None:
    living.submit(1)
    living.genomes.add({"task_agent.py": "#\n"})
    made = back_up(living.home, tmp_path / "copy.tar.gz")
    living.submit(2)
    living.engine.dispose()
    (living.home.path / "models").mkdir()
    (living.home.path / "models/m.gguf").write_text("weights")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, at, str(made), str(living.home.path)], capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(rows(living.home)) == (1 if at in ("swapped", "carried") else 2), (
        "the one or the other, and whole"
    )

    done = restore(made, living.home, replace=True)
    assert len(rows(living.home)) == 1
    assert (living.home.path / "models/m.gguf").is_file()
    kept = sorted(path for path in tmp_path.iterdir() if "before-restore" in path.name)
    assert done.before in kept
    assert any(len(rows(Home(path))) == 2 for path in kept), "what was there before is nowhere lost"
    assert not [path for path in tmp_path.iterdir() if ".restoring-" in path.name]


# --- the command line


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
