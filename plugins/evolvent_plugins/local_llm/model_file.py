"""Model files on disk: where they lie, and proof that their bytes are the promised ones."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from evolvent.errors import IntegrityError, MissingPrerequisite
from evolvent.settings import Settings
from evolvent_plugins.local_llm.catalogue import CataloguedModel

__all__ = ["check_installed", "hash_file", "model_path", "write_stamp"]

BLOCK = 1 << 20


def model_path(model: CataloguedModel, settings: Settings) -> Path:
    """Return where the model's file lies, or would lie."""
    return settings.models_path / model.filename


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_installed(model: CataloguedModel, path: Path) -> None:
    """Check that the file is there and is the promised one.

    The size is compared every time; the whole file is hashed once for each (size, modification time,
    inode), which a `.verified` file beside it remembers.

    Raises:
        MissingPrerequisite: the file is not there.
        IntegrityError: its size or hash is wrong.
    """
    pull = f"evolvent models pull local:{model.name}"
    try:
        status = path.stat()
    except FileNotFoundError:
        raise MissingPrerequisite(
            f"model 'local:{model.name}' is not on disk (looked for {path})", pull
        ) from None
    wrong = f"the file {path} is not the model 'local:{model.name}'"
    if status.st_size != model.size:
        raise IntegrityError(
            f"{wrong}: it has {status.st_size} bytes, not {model.size}. "
            f"`{pull}` deletes it and fetches it again."
        )
    if _read_stamp(path) == _stamp(model, status):
        return
    found = hash_file(path)
    if found != model.sha256:
        raise IntegrityError(
            f"{wrong}: its SHA-256 is {found}, not {model.sha256}. `{pull}` deletes it and fetches it again."
        )
    write_stamp(model, path)


def write_stamp(model: CataloguedModel, path: Path) -> None:
    """Remember that this very file was hashed and is right.

    A folder that cannot be written to (a shared, read-only one) only costs the hash each time.
    """
    stamp_path = _stamp_path(path)
    temporary = stamp_path.with_name(f"{stamp_path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(_stamp(model, path.stat())))
        temporary.replace(stamp_path)
    except OSError:
        temporary.unlink(missing_ok=True)


def _stamp_path(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def _stamp(model: CataloguedModel, status: os.stat_result) -> dict[str, int | str]:
    return {
        "sha256": model.sha256,
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "inode": status.st_ino,
    }


def _read_stamp(path: Path) -> object:
    try:
        return json.loads(_stamp_path(path).read_text())
    except (OSError, ValueError):
        return None
