"""Where skills come from: a folder, an archive or a git repository, brought into a folder of ours first."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, cast

from evolvent.errors import EvolventError, IntegrityError, UsageError
from evolvent.library.frontmatter import parse_skill_md

__all__ = ["Source", "opened", "skill_folders"]

MAX_BYTES = 200 * 1024 * 1024
MAX_ENTRIES = 50_000
_GIT = re.compile(r"(?:git\+)?(?:https?|ssh|git|file)://|git@[\w.-]+:|git\+.+")
_ARCHIVES = (".zip", ".skill", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


class Source(NamedTuple):
    """A folder to read skills from, and what to call where it came from."""

    folder: Path
    origin: str
    """`folder:NAME`, `archive:NAME@HASH` or `git:URL@COMMIT`; no path of this machine."""


@contextmanager
def opened(spec: str) -> Iterator[Source]:
    """Bring what a person named into a folder, for as long as it is read.

    Args:
        spec: a path of a folder or an archive, or the URL of a git repository (`https://…`, `git@…`, `git+file:…`); a
            folder inside the repository and a branch or tag go behind it as `#folder` and `@branch`.

    Raises:
        UsageError: there is no such thing, or it cannot be fetched.
        IntegrityError: the archive is damaged, too large, or would write outside its folder.
    """
    if _GIT.match(spec):
        with tempfile.TemporaryDirectory(prefix="evolvent-import-") as folder:
            yield _cloned(spec, Path(folder))
        return
    path = Path(spec).expanduser()
    if path.is_dir():
        yield Source(path, f"folder:{path.absolute().name}")
        return
    if path.is_file() and path.name.endswith(_ARCHIVES):
        with tempfile.TemporaryDirectory(prefix="evolvent-import-") as folder, path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
            _unpack(path, Path(folder))
            yield Source(_named(Path(folder)), f"archive:{path.name}@{digest}")
        return
    raise UsageError(
        f"{spec!r} is no folder, no archive ({', '.join(_ARCHIVES)}) and no URL of a git repository"
        " (https://…, git@…, git+file:…)"
    )


def skill_folders(root: Path) -> list[Path]:
    """Return the folders with a SKILL.md at or below a folder, sorted; none inside another, none hidden.

    A hidden folder named `.agents`, `.claude` or `.github` is looked into: skills live there.
    """
    found: list[Path] = []
    for parent, folders, names in os.walk(root):
        folders[:] = sorted(
            f for f in folders if not f.startswith(".") or f in (".agents", ".claude", ".github")
        )
        if "SKILL.md" in names:
            found.append(Path(parent))
            folders.clear()
    return sorted(found)


def _cloned(spec: str, into: Path) -> Source:
    """Clone without running anything of the repository: no hooks, no filters, no submodules."""
    from dulwich import porcelain
    from dulwich.errors import GitProtocolError, HangupException, NotGitRepository

    url, _, inside = spec.removeprefix("git+").partition("#")
    url, branch = _branch(url)
    shown = re.sub(r"//[^/]*@", "//", url)
    if {".", ".."} & set(shown.partition("//")[2].split("/")):
        raise UsageError(
            f"{shown!r}: '.' and '..' in a URL are refused, since rules of trust look at its text"
        )
    try:
        with porcelain.clone(
            url, str(into / "repository"), depth=1, branch=branch, errstream=porcelain.NoneStream()
        ) as repo:
            commit = repo.head().decode("ascii")
    except (GitProtocolError, HangupException, NotGitRepository, OSError, KeyError, ValueError) as error:
        what = (" ".join(str(error).split()) or type(error).__name__).replace(url, shown)
        raise UsageError(f"the repository {shown!r} cannot be cloned: {what[:300]}") from None
    folder = into / "repository" / inside
    if not folder.resolve().is_relative_to((into / "repository").resolve()) or not folder.is_dir():
        raise UsageError(f"the repository {shown!r} has no folder {inside!r}")
    _bounded(folder)
    return Source(_named(folder), f"git:{shown}{'#' + inside if inside else ''}@{commit[:16]}")


def _branch(url: str) -> tuple[str, bytes | None]:
    head, at, tail = url.rpartition("@")
    if at and "/" in head.partition("//")[2] and not tail.startswith("/") and ":" not in tail:
        return head, tail.encode()
    return url, None


def _unpack(archive: Path, into: Path) -> None:
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, into)
        else:
            _untar(archive, into)
    except EvolventError:
        raise
    except (
        Exception
    ) as error:  # the unpackers of the standard library raise whatever a damaged archive leads to
        raise IntegrityError(
            f"{archive.name}: cannot be unpacked: {' '.join(str(error).split())[:300]}"
        ) from error


def _unzip(archive: Path, into: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        entries = packed.infolist()
        _check_sizes(archive, [entry.file_size for entry in entries])
        for entry in entries:
            _check_inside(archive, entry.filename)
            if stat.S_ISLNK(entry.external_attr >> 16):
                raise IntegrityError(f"{archive.name}: {entry.filename!r} is a link; links are refused")
        left = MAX_BYTES
        for entry in entries:
            target = into / entry.filename
            if entry.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with packed.open(entry) as content, target.open("wb") as file:
                # What an archive says of its sizes may be false.
                while block := content.read(1 << 20):
                    left -= len(block)
                    if left < 0:
                        raise IntegrityError(f"{archive.name}: unpacks to more than {MAX_BYTES} bytes")
                    file.write(block)


def _untar(archive: Path, into: Path) -> None:
    """Unpack in two steps: a compressed archive may hold headers of any size, so its bytes are counted first."""
    with tempfile.TemporaryFile() as plain:
        with _decompressed(archive) as content:
            size = 0
            while block := content.read(1 << 20):
                size += len(block)
                if size > MAX_BYTES:
                    raise IntegrityError(f"{archive.name}: unpacks to more than {MAX_BYTES} bytes")
                plain.write(block)
        plain.seek(0)
        with tarfile.open(fileobj=plain, mode="r:") as packed:
            for number, entry in enumerate(packed):
                if number >= MAX_ENTRIES:
                    raise IntegrityError(f"{archive.name}: more than {MAX_ENTRIES} entries")
                _take_entry(archive, packed, entry, into)


def _take_entry(archive: Path, packed: tarfile.TarFile, entry: tarfile.TarInfo, into: Path) -> None:
    """Write the content of a file or make a folder: no owner, rights or times of the archive's."""
    _check_inside(archive, entry.name)
    if not entry.isfile() and not entry.isdir():
        raise IntegrityError(f"{archive.name}: {entry.name!r} is a link or special; those are refused")
    target = into / entry.name
    content = packed.extractfile(entry)
    if content is None:
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)


def _decompressed(archive: Path) -> IO[bytes]:
    with archive.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.open(archive, "rb"))
    if magic.startswith(b"BZh"):
        return bz2.open(archive, "rb")
    if magic.startswith(b"\xfd7zXZ\x00"):
        return lzma.open(archive, "rb")
    return archive.open("rb")


def _named(folder: Path) -> Path:
    """Return a folder that holds skills in folders of their names: an archive may hold one skill without its folder."""
    if not (folder / "SKILL.md").is_file():
        return folder
    try:
        front, _ = parse_skill_md((folder / "SKILL.md").read_text(encoding="utf-8"))
    except (IntegrityError, UnicodeDecodeError):
        return folder
    name = str(front.get("name", ""))
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        return folder
    inner = folder / ".skill" / name
    inner.parent.mkdir()
    inner.mkdir()
    for path in [p for p in folder.iterdir() if p != inner.parent]:
        path.rename(inner / path.name)
    return inner.parent


def _check_inside(archive: Path, name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise IntegrityError(f"{archive.name}: {name!r} would be written outside its folder")


def _check_sizes(archive: Path, sizes: list[int]) -> None:
    if len(sizes) > MAX_ENTRIES or sum(sizes) > MAX_BYTES:
        raise IntegrityError(
            f"{archive.name}: {len(sizes)} entries with {sum(sizes)} bytes; allowed: {MAX_ENTRIES} and {MAX_BYTES}"
        )


def _bounded(folder: Path) -> None:
    shutil.rmtree(folder / ".git", ignore_errors=True)
    sizes = [p.lstat().st_size for p in folder.rglob("*") if not p.is_dir()]
    _check_sizes(folder, sizes)
