"""Reading a backup that anybody may have made: nothing of it is believed before it is checked."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from pydantic import ValidationError

from evolvent.errors import IntegrityError, MissingPrerequisite, UsageError
from evolvent.storage.backups.manifest import MANIFEST, MAX_MANIFEST, PREFIX, Manifest
from evolvent.storage.database import SCHEMA

__all__ = ["read_manifest", "unpack"]

HEADERS = 64 * 2**10
"""Bytes of the archive's own that one member may take: headers of a long name, and filling."""
SPARE = 64 * 2**20
"""Bytes that stay free on the disk."""
BLOCK = 2**20


class _Bounded:
    """A stream that ends with an error when more comes out of it than was announced.

    Args:
        stream: what is read.
        limit: bytes that may come.
    """

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self.left = stream, limit

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size`."""
        block = self._stream.read(size if 0 <= size <= BLOCK else BLOCK)
        self.left -= len(block)
        if self.left < 0:
            raise IntegrityError("it unpacks to more than its manifest says")
        return block


def read_manifest(file: Path) -> Manifest:
    """Return what a backup says is in it.

    Raises:
        UsageError: there is no such file, or a newer Evolvent wrote it.
        IntegrityError: it is no backup.
    """
    with _opened(file) as (_, _, manifest):
        return manifest


def unpack(file: Path, into: Path) -> Manifest:
    """Write the files of a backup below an empty folder, each checked against the manifest.

    Raises:
        UsageError: there is no such file, or a newer Evolvent wrote it.
        IntegrityError: it is no backup, it is damaged, or it holds something else than it says.
        MissingPrerequisite: there is not enough space.
    """
    with _opened(file) as (archive, bounded, manifest):
        free = shutil.disk_usage(into).free
        if manifest.size + SPARE > free:
            raise MissingPrerequisite(
                f"the backup {str(file)!r} takes {manifest.size / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free under "
                f"{str(into.parent)!r}",
                "free some space there, and give the same command again",
            )
        waiting = dict(manifest.members)
        # A header is read whole, a long name too: only as much as one may have comes out until it was looked at.
        bounded.left = HEADERS
        while (head := archive.next()) is not None:
            path = head.name.removeprefix(PREFIX)
            member = waiting.pop(path, None) if head.name.startswith(PREFIX) else None
            if member is None:
                raise IntegrityError(
                    f"it holds {head.name!r:.200}, which its manifest does not name (or only once)"
                )
            if not head.isreg() or head.sparse is not None:
                raise IntegrityError(f"{path!r:.200} is no regular file")
            if head.size != member.size:
                raise IntegrityError(f"{path!r:.200} has {head.size} bytes; its manifest says {member.size}")
            bounded.left = member.size + HEADERS
            target = into / path
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            stream = archive.extractfile(head)
            assert stream is not None
            found = _store(stream, target, 0o700 if member.executable else 0o600)
            if found != member.sha256:
                raise IntegrityError(f"{path!r:.200} has the hash {found}; its manifest says {member.sha256}")
            bounded.left = HEADERS
        if waiting:
            raise IntegrityError(f"{len(waiting)} of its files are missing, {min(waiting)!r:.200} among them")
        for folder in manifest.folders:
            (into / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        while bounded.read():  # to the end: its checksum is there
            pass
    os.sync()  # once for all files: a wait for each of ten thousand takes minutes
    return manifest


@contextmanager
def _opened(file: Path) -> Iterator[tuple[tarfile.TarFile, _Bounded, Manifest]]:
    try:
        stream = gzip.open(file, "rb")  # noqa: SIM115 - closed below; only this opening is the caller's fault
    except OSError as error:
        raise UsageError(f"the backup {str(file)!r} cannot be read: {error.strerror}") from error
    try:
        with stream:
            bounded = _Bounded(cast("IO[bytes]", stream), MAX_MANIFEST + HEADERS)
            with tarfile.open(fileobj=cast("IO[bytes]", bounded), mode="r|") as archive:
                yield archive, bounded, _manifest(archive)
    except (EOFError, zlib.error, tarfile.TarError, gzip.BadGzipFile) as error:
        raise IntegrityError(
            f"{str(file)!r} is no whole backup: {error}; take another one (see <home>/backups)"
        ) from error
    except (IntegrityError, FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise IntegrityError(f"{str(file)!r} is no sound backup: {error}") from error
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise IntegrityError(
            f"{str(file)!r} holds a path that is too long below this home: {error.strerror}"
        ) from error


def _manifest(archive: tarfile.TarFile) -> Manifest:
    head = archive.next()
    if head is None or head.name != MANIFEST or not head.isreg() or head.size > MAX_MANIFEST:
        raise IntegrityError(f"its first member is not {MANIFEST!r}: it was not made by `evolvent backup`")
    stream = archive.extractfile(head)
    assert stream is not None
    text = stream.read()
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"[:300]
            for fault in error.errors(include_url=False, include_input=False)[:3]
        )
        raise IntegrityError(f"its manifest cannot be used: {faults}") from error
    if manifest.schema_revision > SCHEMA:
        raise UsageError(
            f"the backup was made by Evolvent {manifest.evolvent} with schema {manifest.schema_revision!r}; this "
            f"version knows up to {SCHEMA!r}. Upgrade Evolvent first"
        )
    return manifest


def _store(stream: IO[bytes], target: Path, mode: int) -> str:
    """Write a file that is new, and return its hash."""
    digest = hashlib.sha256()
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with open(handle, "wb") as file:
        while block := stream.read(BLOCK):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()
