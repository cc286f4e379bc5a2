"""What damaged and hostile files can do to a home: nothing."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from tests.storage.living import Living, rows, tree

from evolvent.errors import EvolventError, IntegrityError, UsageError
from evolvent.storage import Home
from evolvent.storage.backups import back_up, restore
from evolvent.storage.backups.manifest import MANIFEST, PREFIX
from evolvent.storage.database import SCHEMA


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
