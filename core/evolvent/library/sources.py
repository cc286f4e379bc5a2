"""Where skills come from: a folder, an archive or a git repository, brought into a folder of ours first."""

from __future__ import annotations

import hashlib
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
from typing import NamedTuple

from evolvent.errors import IntegrityError, UsageError

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
            yield Source(Path(folder), f"archive:{path.name}@{digest}")
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
    try:
        with porcelain.clone(
            url, str(into / "repository"), depth=1, branch=branch, errstream=porcelain.NoneStream()
        ) as repo:
            commit = repo.head().decode("ascii")
    except (GitProtocolError, HangupException, NotGitRepository, OSError, KeyError, ValueError) as error:
        what = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(f"the repository {url!r} cannot be cloned: {what[:300]}") from error
    folder = into / "repository" / inside
    if not folder.resolve().is_relative_to((into / "repository").resolve()) or not folder.is_dir():
        raise UsageError(f"the repository {url!r} has no folder {inside!r}")
    _bounded(folder)
    shown = re.sub(r"//[^/@]*@", "//", url)
    return Source(folder, f"git:{shown}{'#' + inside if inside else ''}@{commit[:16]}")


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
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
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
    with tarfile.open(archive) as packed:
        sizes = []
        for entry in packed:
            _check_inside(archive, entry.name)
            if not entry.isfile() and not entry.isdir():
                raise IntegrityError(
                    f"{archive.name}: {entry.name!r} is a link or special; those are refused"
                )
            sizes.append(entry.size)
            _check_sizes(archive, sizes)
        packed.extractall(into, filter="data")


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
