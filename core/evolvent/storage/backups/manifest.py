"""What is in a backup, and what is left out of every one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, field_validator

from evolvent.types import Frozen

__all__ = ["DRAFT", "LEFT_OUT", "MANIFEST", "MAX_MANIFEST", "PREFIX", "Manifest", "Member", "why_bad_path"]

DRAFT = ".evolvent-backup-"
"""Begins the names of the folders in which backups are made, beside their files: so may be other people's things."""

MANIFEST = "manifest.json"
"""Name of the archive's first member."""
PREFIX = "home/"
"""Before the path of every other one."""
MAX_MANIFEST = 256 * 2**20
"""Bytes; about a million files."""
LEFT_OUT: Mapping[str, str] = {
    "chroma": "an index that is rebuilt from the skills and lessons",
    "skills.cache": "is read again from the skill folders",
    "models": "fetched again with `evolvent models pull`",
    "logs": "the ledger in the database is the record",
    "backups": "a backup holds no other",
    "daemon.token": "made anew at each start of the daemon",
    "daemon.env": "keys of model providers: keep them where you keep secrets",
    "daemon.json": "of a process",
    "daemon.json.new": "of a process",
    "writer.json": "of a process",
    "writer.lock": "of a process",
    "evolvent.db-wal": "its content is in the copy of the database",
    "evolvent.db-shm": "its content is in the copy of the database",
    "checkpoints.db-wal": "its content is in the copy of the database",
    "checkpoints.db-shm": "its content is in the copy of the database",
}
"""Names right below a home that no backup has, and why. Everything else is in it, also what plugins keep there."""


class Member(Frozen):
    """A file."""

    size: int = Field(ge=0)
    """Bytes."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    executable: bool = False


class Manifest(Frozen):
    """The first member of a backup; it bounds all that follows."""

    format: Literal[1] = 1
    evolvent: str
    """Version that wrote it."""
    schema_revision: str
    """Of the database; see `evolvent.storage.database.SCHEMA`."""
    made_at: str
    """UTC."""
    members: dict[str, Member]
    """By path below the home."""
    folders: tuple[str, ...] = ()
    """Those that are empty."""
    left_out: dict[str, str] = Field(default_factory=dict)
    """What is not in it, and why."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(member.size for member in self.members.values())

    @field_validator("members")
    @classmethod
    def _members_stay_inside(cls, given: dict[str, Member]) -> dict[str, Member]:
        for path in given:
            if bad := why_bad_path(path):
                raise ValueError(f"the path {path!r:.200} {bad}")
        return given

    @field_validator("folders")
    @classmethod
    def _folders_stay_inside(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for path in given:
            if bad := why_bad_path(path):
                raise ValueError(f"the path {path!r:.200} {bad}")
        return given


def why_bad_path(path: str) -> str:
    """Say why a path may not be in a backup; empty when it may."""
    parts = path.split("/")
    if not path or PurePosixPath(path).is_absolute() or any(part in ("", ".", "..") for part in parts):
        return "leads out of the home"
    if (
        "\0" in path
        or len(path.encode("utf-8", "replace")) > 4_000
        or any(len(part.encode("utf-8", "replace")) > 255 for part in parts)
    ):
        return "cannot be a file's name"
    try:
        path.encode()
    except UnicodeEncodeError:
        return "is not UTF-8"
    return "is never part of a backup" if parts[0] in LEFT_OUT else ""
