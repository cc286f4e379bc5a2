"""A bare git repository as a store of objects: each is written once, whole, and checked whenever it is read."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from evolvent.errors import IntegrityError, UsageError
from evolvent.storage.durable import sync, write_all, write_whole

if TYPE_CHECKING:
    from dulwich.objects import ShaFile

__all__ = ["GitObjects"]

CONFIG = b"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
OURS = frozenset({"HEAD", "config", "objects", "refs", "packed-refs", "info", "hooks", "description", "logs"})
PART = re.compile(r"\.[0-9a-f]{16}")
"""What a killed `write_whole` leaves."""
KINDS = {1: b"commit", 2: b"tree", 3: b"blob", 4: b"tag"}


class GitObjects:
    """The objects of a bare repository.

    Files are written beside their place and renamed, without git's `.lock` files: a process that is killed leaves
    nothing that keeps the next one from writing the same object.
    """

    def __init__(self, path: Path, head: str, durable: bool = True) -> None:
        """Open a repository, and make it first where it is missing or was made by halves.

        Raises:
            UsageError: there is something else in its place.
        """
        from dulwich.object_store import DiskObjectStore

        self.path = path
        self.durable = durable
        self._lay_out(head)
        self.store = DiskObjectStore(path / "objects")

    def _lay_out(self, head: str) -> None:
        """Make what is missing. HEAD comes last: where it is, everything is."""
        if (
            (self.path / "HEAD").is_file()
            and (self.path / "objects").is_dir()
            and (self.path / "refs").is_dir()
        ):
            return
        strange = self.path.exists() and (
            not self.path.is_dir()
            or any(entry.name not in OURS and not PART.fullmatch(entry.name) for entry in self.path.iterdir())
        )
        if strange:
            raise UsageError(
                f"{str(self.path)!r} is not a git repository of agent programs; give a new folder, or move it away"
            )
        try:
            for folder in ("objects/pack", "objects/info", "refs/heads"):
                (self.path / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{str(self.path)!r} cannot be made: {error.strerror}") from None
        if not (self.path / "config").is_file():
            write_whole(self.path / "config", CONFIG, self.durable)
        write_whole(self.path / "HEAD", f"ref: {head}\n".encode(), self.durable)

    def put(self, objects: Iterable[ShaFile]) -> int:
        """Keep objects; return how many of them were new."""
        new: dict[Path, bytes] = {}
        made = False
        for obj in objects:
            name = obj.id.decode()
            target = self.path / "objects" / name[:2] / name[2:]
            if target in new or target.exists() or self.store.contains_packed(obj.id):
                continue
            if not target.parent.is_dir():
                target.parent.mkdir(exist_ok=True)
                made = True
            new[target] = obj.as_legacy_object()
        write_all(new, self.durable, prefix="tmp_obj_", mode=0o444)
        if made and self.durable:
            sync(self.path / "objects")
        return len(new)

    def get(self, name: str, kind: str) -> bytes:
        """Return the content of an object of a kind: `commit`, `tree` or `blob`.

        Raises:
            IntegrityError: it is missing, is of another kind, or its content does not have its hash.
        """
        key = cast(Any, name.encode())
        try:
            try:
                number, content = self.store.get_raw(key)
            except KeyError:  # another process may have packed it just after the packs were looked through
                number, content = self.store.get_raw(key)
        except KeyError:
            raise IntegrityError(f"the {kind} {name} is missing from {str(self.path)!r}") from None
        except Exception as error:  # whatever git's readers make of damaged bytes
            raise IntegrityError(
                f"the {kind} {name} of {str(self.path)!r} cannot be read: {type(error).__name__}: {error}"[
                    :500
                ]
            ) from error
        found = KINDS.get(number, b"?")
        if found != kind.encode():
            raise IntegrityError(f"the {kind} {name} of {str(self.path)!r} is a {found.decode()}")
        header = found + b" %d\0" % len(content)
        actual = hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
        if actual != name:
            raise IntegrityError(
                f"the {kind} {name} of {str(self.path)!r} has content with the hash {actual}"
            )
        return content

    def parsed(self, name: str, kind: str, parse: Callable[[bytes], ShaFile]) -> ShaFile:
        """Return an object as git's reader understands it.

        Raises:
            IntegrityError: as `get`, or the content is malformed.
        """
        content = self.get(name, kind)
        try:
            obj = parse(content)
            obj.check()
        except Exception as error:  # the readers of malformed content raise all sorts of things
            raise IntegrityError(
                f"the {kind} {name} of {str(self.path)!r} is malformed: {type(error).__name__}: {error}"[:500]
            ) from error
        return obj

    def pack(self, stop: threading.Event) -> int:
        """Put all loose objects into one pack, and return how many were not in one yet.

        A loose object is deleted only when the pack is on the disk. Only one process may pack at a time.

        Args:
            stop: when it is set, loose objects that are packed are left where they are.
        """
        folder = self.path / "objects" / "pack"
        for stale in folder.glob("*.lock"):  # of a process that was killed while it packed
            stale.unlink()
        loose = list(self.store._iter_loose_objects())
        new = [(self.store[name], None) for name in loose if not self.store.contains_packed(name)]
        self.store.add_objects(new)
        if self.durable:
            for written in (*folder.glob("*.pack"), *folder.glob("*.idx"), folder):
                sync(written)
        for name in loose:
            if stop.is_set():
                break
            self.store.delete_loose_object(name)
        return len(new)

    def close(self) -> None:
        """Let go of the packs that are open."""
        self.store.close()
