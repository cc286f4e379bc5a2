"""The files of an agent program as git's blobs and trees."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from evolvent.errors import UsageError

if TYPE_CHECKING:
    from dulwich.objects import ShaFile, Tree

__all__ = ["check_text", "objects_of"]


def objects_of(files: Mapping[str, str]) -> tuple[list[ShaFile], Tree]:
    """Return the objects that hold some files, and the tree at their root, which is among them.

    Raises:
        UsageError: a path or a text that git or UTF-8 cannot hold.
    """
    from dulwich.objects import Blob, Tree

    objects: list[ShaFile] = []
    below: dict[str, dict[str, str]] = {}
    tree = Tree()
    for path, text in sorted(files.items()):
        name, slash, rest = path.partition("/")
        _check_name(path, name)
        if slash:
            below.setdefault(name, {})[rest] = text
            continue
        check_text(repr(path), text)
        blob = Blob.from_string(text.encode())
        objects.append(blob)
        tree.add(name.encode(), 0o100644, blob.id)
    for name, inner in below.items():
        if name in files:
            raise UsageError(f"{name!r} is a file and a folder; it can be one of them")
        found, subtree = objects_of(inner)
        objects += found
        tree.add(name.encode(), 0o040000, subtree.id)
    objects.append(tree)
    return objects, tree


def _check_name(path: str, name: str) -> None:
    """Refuse what `git fsck` complains of, or what would be another file when it is checked out."""
    check_text("a path", path)
    bad = (
        name in ("", ".", "..")
        or name.lower().rstrip(". ") in (".git", "git~1")
        or set(name) & set("\0\\\n:")
    )
    if bad or len(path) > 1000:
        raise UsageError(
            f"{path!r:.200} is no path of a program; it must be relative, like 'prompts/answer.md'"
        )


def check_text(what: str, text: str) -> None:
    """Refuse a text that UTF-8 cannot hold.

    Raises:
        UsageError: it holds half of a surrogate pair.
    """
    with contextlib.suppress(UnicodeEncodeError):
        text.encode()
        return
    raise UsageError(f"{what} holds half of a surrogate pair, which UTF-8 cannot encode; leave it out")
