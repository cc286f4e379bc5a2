"""The archive's programs: one git commit a variant, its parents the lineage, its message the hypothesis."""

from __future__ import annotations

import os
import re
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from filelock import FileLock

from evolvent.errors import IntegrityError, UnknownName, UsageError
from evolvent.storage.durable import write_all, write_whole
from evolvent.storage.git_objects import GitObjects
from evolvent.storage.git_trees import check_text, objects_of

if TYPE_CHECKING:
    from dulwich.objects import Commit, ShaFile, Tree, TreeEntry

__all__ = ["GenomeStore"]

AUTHOR = b"Evolvent <evolvent@localhost>"
ACTIVE = "refs/heads/active"
VARIANTS = "refs/variants"
RECENT = 128
"""Programs kept in memory."""
SHARED = 1024
"""Files and folders kept in memory: most programs have most of theirs in common."""
_ID = re.compile(r"[0-9a-f]{40}")
_PREFIX = re.compile(r"[0-9a-f]{4,40}")


class GenomeStore:
    """Agent programs in a bare git repository, which a person can read with git: `git log active`.

    A variant is a commit with a ref `refs/variants/<id>`. Author and time are fixed, so that the same files, parents
    and message are the same variant wherever and whenever they are added. Any number of processes may read while
    others write: objects never change, and a ref is renamed into place once its objects are there.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        """Open the store; it is made where it is missing, and mended where it was made by halves.

        Args:
            path: the repository, such as `genomes.git` in a home.
            durable: whether what `add` returned survives a loss of power; only measurements want False.

        Raises:
            UsageError: there is something else in its place.
        """
        from dulwich.refs import DiskRefsContainer

        self.path = path
        self._objects = GitObjects(path, ACTIVE, durable)
        (path / VARIANTS).mkdir(parents=True, exist_ok=True)
        self._refs = DiskRefsContainer(path)
        self._activating = FileLock(path / "info" / "active.lock")
        self._packing = FileLock(path / "info" / "pack.lock")
        self._recent: dict[str, Mapping[str, str]] = {}
        self._remembering = threading.Lock()
        self._recent_commit = lru_cache(maxsize=RECENT)(self._commit)
        self._recent_tree = lru_cache(maxsize=SHARED)(self._entries)
        self._recent_text = lru_cache(maxsize=SHARED)(self._text)

    def add(self, files: Mapping[str, str], parents: Sequence[str] = (), message: str = "") -> str:
        """Keep an agent program and return its id: 40 hexadecimal digits, decided by the arguments alone.

        A seed has the time 0, a child one more than its latest parent, so that every reader of git shows a line of
        descent in its order.

        Args:
            files: relative path to text.
            parents: ids of variants that are here.
            message: why it should be better.

        Raises:
            UsageError: a path or a text that git or UTF-8 cannot hold.
            UnknownName: a parent that is not here.
        """
        return self.add_all([(files, parents, message)])[0]

    def add_all(self, programs: Iterable[tuple[Mapping[str, str], Sequence[str], str]]) -> list[str]:
        """Keep agent programs as `add` keeps one, at hardly more than its cost, and return their ids in order.

        Args:
            programs: files, parents and message of each; no one's parent is among the others.

        Raises:
            UsageError: a path or a text that git or UTF-8 cannot hold; nothing is kept.
            UnknownName: a parent that is not here; nothing is kept.
        """
        given = list(programs)
        names: list[str] = []
        objects: list[ShaFile] = []
        for program in given:
            found = self._made_of(*program)
            names.append(found[-1].id.decode())
            if not self.contains(names[-1]):
                objects += found
        new = {obj.id.decode() for obj in objects}.intersection(names)
        self._objects.put(objects)
        refs = {self.path / VARIANTS / name: f"{name}\n".encode() for name in new}
        write_all(refs, self._objects.durable)  # only now: where a ref is, its objects are
        for name, (files, _, _) in zip(names, given, strict=True):
            if name in new:  # the next thing that is done with it is to run it
                self._remember(name, dict(sorted(files.items(), key=lambda file: file[0].encode())))
        return names

    def _made_of(self, files: Mapping[str, str], parents: Sequence[str], message: str) -> list[ShaFile]:
        """Return the objects of a program, its commit the last."""
        from dulwich.objects import Commit

        for parent in parents:
            self._known(parent)
        check_text("the message", message)
        if "\0" in message:
            raise UsageError("the message holds a NUL character, which a commit cannot; leave it out")
        objects, tree = objects_of(files)
        commit = Commit()
        commit.tree = tree.id
        commit.parents = [cast(Any, parent.encode()) for parent in parents]
        commit.author = commit.committer = AUTHOR
        time = max((1 + self._recent_commit(parent).commit_time for parent in parents), default=0)
        commit.author_time = commit.commit_time = time
        commit.author_timezone = commit.commit_timezone = 0
        commit.encoding = None
        commit.message = message.encode()
        return [*objects, commit]

    def contains(self, variant: str) -> bool:
        """Tell whether a variant is here, by its whole id."""
        if not _ID.fullmatch(variant):
            return False
        return bool(self._refs.read_ref(cast(Any, f"{VARIANTS}/{variant}".encode())))

    def files(self, variant: str) -> dict[str, str]:
        """Return its files: relative path to text.

        Raises:
            UnknownName: it is not here.
            IntegrityError: an object is missing or damaged.
        """
        self._known(variant)
        files = self._recent.get(variant)
        if files is None:
            files = self._read(variant)
            self._remember(variant, files)
        return dict(files)

    def tree(self, variant: str) -> str:
        """Return the hash of its files: equal for two variants exactly when all their files are."""
        self._known(variant)
        return str(self._recent_commit(variant).tree.decode())

    def tree_of(self, files: Mapping[str, str]) -> str:
        """Return the hash that these files would have, and write nothing.

        Raises:
            UsageError: a path or a text that git or UTF-8 cannot hold.
        """
        return objects_of(files)[1].id.decode()

    def parents(self, variant: str) -> tuple[str, ...]:
        """Return the ids of its parents."""
        self._known(variant)
        return tuple(parent.decode() for parent in self._recent_commit(variant).parents)

    def message(self, variant: str) -> str:
        """Return its hypothesis."""
        self._known(variant)
        return str(self._recent_commit(variant).message.decode("utf-8", "replace"))

    def resolve(self, prefix: str) -> str:
        """Return the id that begins so.

        Raises:
            UsageError: it is too short, no hexadecimal number, or several ids begin so.
            UnknownName: none does.
        """
        if self.contains(prefix):
            return prefix
        if not _PREFIX.fullmatch(prefix):
            raise UsageError(
                f"{prefix!r} names no variant; give an id or its first characters: 4 to 40 of 0-9 and a-f"
            )
        found = [variant for variant in self if variant.startswith(prefix)]
        if not found:
            raise UnknownName("variant", prefix, self)
        if len(found) > 1:
            shown = ", ".join(variant[:12] for variant in found[:5])
            raise UsageError(f"{prefix!r} begins {len(found)} ids ({shown}…); give more characters")
        return found[0]

    def __iter__(self) -> Iterator[str]:
        """Yield all ids in alphabetical order."""
        names = {entry.name for entry in os.scandir(self.path / VARIANTS)}
        packed = f"{VARIANTS}/".encode()
        names |= {
            key[len(packed) :].decode() for key in self._refs.get_packed_refs() if key.startswith(packed)
        }
        yield from sorted(filter(_ID.fullmatch, names))

    def diff(self, old: str, new: str) -> str:
        """Return what changed from one variant to another, as `git diff` prints it; the same at every call.

        Raises:
            UnknownName: one of them is not here.
            IntegrityError: an object is missing or damaged.
        """
        from dulwich.patch import write_tree_diff

        trees = []
        for variant in (old, new):
            self.files(variant)  # checks every object before git's writer meets it
            trees.append(cast(Any, self.tree(variant).encode()))
        text = BytesIO()
        write_tree_diff(text, self._objects.store, *trees)
        return text.getvalue().decode("utf-8", "replace")

    def active(self) -> str | None:
        """Return the id of the active variant, or None before one was set."""
        found = self._refs.read_ref(cast(Any, ACTIVE.encode()))
        return found.decode() if found else None

    def set_active(self, variant: str, expected: str | None = None) -> bool:
        """Make a variant the active one; return False, and change nothing, when another is active than expected.

        Args:
            variant: its id.
            expected: the id that is active now, `""` for none yet; without it, whatever is active gives way.

        Raises:
            UnknownName: it is not here.
        """
        self._known(variant)
        (self.path / "info").mkdir(exist_ok=True)
        with self._activating:
            if expected is not None and (self.active() or "") != expected:
                return False
            write_whole(self.path / ACTIVE, f"{variant}\n".encode(), self._objects.durable)
        return True

    def verify(self, variant: str) -> list[str]:
        """Return what is wrong with a variant's objects; empty when every hash is that of its content.

        Whether its parents are here is looked at too, whether they are sound is not: verify each.
        """
        if not self.contains(variant):
            return [f"there is no variant {variant!r}"]
        faults: list[str] = []
        reference = self._refs.read_ref(cast(Any, f"{VARIANTS}/{variant}".encode()))
        if reference != variant.encode():
            faults.append(f"the ref of {variant} points to {reference!r}")
        try:
            commit = self._commit(variant)
        except IntegrityError as error:
            return [*faults, str(error)]
        for parent in (name.decode() for name in commit.parents):
            if not self.contains(parent):
                faults.append(f"the parent {parent} of {variant} is missing")
        _, found = self._walk(commit.tree.decode(), self._entries, self._text)
        return faults + found

    def pack(self, stop: threading.Event | None = None) -> int:
        """Make the repository small, as `git gc` does, and return how many objects were packed.

        Ten thousand variants take 200 MB as loose files and a few as a pack. Others may read and write meanwhile.
        Nothing happens while git itself packs the refs of this repository.

        Args:
            stop: when it is set, files whose content is packed stay where they are, and the next time deletes them.
        """
        stop = stop or threading.Event()
        (self.path / "info").mkdir(exist_ok=True)
        with self._packing:
            if (self.path / "packed-refs.lock").exists():
                return 0
            count = self._objects.pack(stop)
            loose = [entry.name for entry in os.scandir(self.path / VARIANTS) if _ID.fullmatch(entry.name)]
            refs = {
                key: value
                for key, value in self._refs.get_packed_refs().items()
                if _ID.fullmatch(value.decode())
            }
            refs |= {cast(Any, f"{VARIANTS}/{name}".encode()): cast(Any, name.encode()) for name in loose}
            lines = [b"# pack-refs with: sorted \n", *(b"%s %s\n" % (refs[key], key) for key in sorted(refs))]
            write_whole(self.path / "packed-refs", b"".join(lines), self._objects.durable)
            for name in loose:
                if stop.is_set():
                    break
                (self.path / VARIANTS / name).unlink()
        return count

    def close(self) -> None:
        """Close the files that are open; the store is not used afterwards."""
        self._objects.close()

    def _remember(self, variant: str, files: Mapping[str, str]) -> None:
        """Keep the files of a variant in memory, and let go of the oldest ones."""
        with self._remembering:
            self._recent[variant] = files
            while len(self._recent) > RECENT:
                del self._recent[next(iter(self._recent))]

    def _known(self, variant: str) -> None:
        if not self.contains(variant):
            raise UnknownName("variant", variant, self)

    def _commit(self, variant: str) -> Commit:
        from dulwich.objects import Commit

        return cast("Commit", self._objects.parsed(variant, "commit", Commit.from_string))

    def _read(self, variant: str) -> Mapping[str, str]:
        tree = self._recent_commit(variant).tree.decode()
        files, faults = self._walk(tree, self._recent_tree, self._recent_text)
        if faults:
            raise IntegrityError("; ".join(faults)[:2000])
        return files

    def _entries(self, tree: str) -> list[TreeEntry]:
        from dulwich.objects import Tree

        return list(cast("Tree", self._objects.parsed(tree, "tree", Tree.from_string)).items())

    def _text(self, blob: str) -> str:
        return self._objects.get(blob, "blob").decode()

    def _walk(
        self,
        tree: str,
        entries_of: Callable[[str], list[TreeEntry]],
        text_of: Callable[[str], str],
        folder: str = "",
    ) -> tuple[dict[str, str], list[str]]:
        """Return the files below a tree, and what is wrong with them."""
        files: dict[str, str] = {}
        try:
            entries = entries_of(tree)
        except IntegrityError as error:
            return files, [str(error)]
        faults: list[str] = []
        for entry in entries:
            path, name = folder + entry.path.decode("utf-8", "replace"), entry.sha.decode()
            if stat.S_ISDIR(entry.mode):
                below, found = self._walk(name, entries_of, text_of, f"{path}/")
                files |= below
                faults += found
                continue
            if not stat.S_ISREG(entry.mode):
                faults.append(f"{path!r} is no regular file (mode {entry.mode:o})")
                continue
            try:
                files[path] = text_of(name)
            except (IntegrityError, UnicodeDecodeError) as error:
                faults.append(f"{path!r}: {error}")
        return files, faults
