"""The versions of a skill: the present folder and those in the history, named by the hash of their content."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from evolvent.errors import IntegrityError, UnknownName, UsageError
from evolvent.library.format import LIFECYCLE_PATH, read_skill
from evolvent.types import Skill

__all__ = ["Version", "diff_versions", "find_version", "read_versions"]


class Version(NamedTuple):
    """One version with its folder."""

    skill: Skill
    folder: Path
    present: bool = False


def read_versions(history: Path, problems: list[str]) -> list[Version]:
    """Return the versions below a skill's history, the last replaced first; each digest once.

    Args:
        history: folder of one skill's old versions.
        problems: gets what cannot be read.
    """
    found: dict[str, Version] = {}
    folders = [path for path in history.iterdir() if path.is_dir()] if history.is_dir() else []
    # A folder that is moved keeps its own time of change and gets a new one for its inode.
    for folder in sorted(folders, key=lambda path: path.stat().st_ctime_ns, reverse=True):
        try:
            skill = read_skill(folder, any_folder_name=True)
        except IntegrityError as error:
            note = f"skipped a version in the history: {error}"
            if note not in problems:
                problems.append(note)
            continue
        found.setdefault(skill.digest, Version(skill, folder))
    return list(found.values())


def find_version(name: str, versions: Sequence[Version], wanted: str | None) -> Version:
    """Return the version whose digest begins with `wanted`; without it the last one before the present.

    Raises:
        UnknownName: no version begins so.
        UsageError: several do, or there is none before the present one.
    """
    if wanted is None:
        earlier = [version for version in versions if version.skill.digest != versions[0].skill.digest]
        if not earlier:
            raise UsageError(f"{name!r} has no earlier version; see `evolvent skills history {name}`")
        return earlier[0]
    fitting = [version for version in versions if version.skill.digest.startswith(wanted)]
    digests = list(dict.fromkeys(version.skill.digest for version in fitting))
    if not wanted or not digests:
        known = list(dict.fromkeys(version.skill.digest for version in versions))
        raise UnknownName(f"version of {name!r}", wanted, known, f"See `evolvent skills history {name}`.")
    if len(digests) > 1:
        raise UsageError(
            f"{wanted!r} begins several versions of {name!r}: {', '.join(digests)}; write more of it"
        )
    return fitting[0]


def diff_versions(old: Version, new: Version) -> str:
    """Return the unified diff of two versions' files, their lives left out; what is no text is only named."""
    before, after = _files(old.folder), _files(new.folder)
    lines: list[str] = []
    for relative in sorted(before.keys() | after.keys()):
        a, b = before.get(relative), after.get(relative)
        if a == b:
            continue
        names = (f"{old.skill.digest}/{relative}", f"{new.skill.digest}/{relative}")
        texts = [_text(content) for content in (a, b)]
        if None in texts:
            lines.append(f"Binary files {names[0]} and {names[1]} differ\n")
            continue
        one, two = (str(text).splitlines(keepends=True) for text in texts)
        for line in difflib.unified_diff(one, two, *names):
            lines.append(line if line.endswith("\n") else f"{line}\n")
    return "".join(lines)


def _files(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in _walk(folder)}
    found.pop(LIFECYCLE_PATH, None)
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts:
            yield path


def _text(content: bytes | None) -> str | None:
    """Return a file's text, an empty one for a file that is not there, None where it is no text."""
    try:
        return (content or b"").decode("utf-8")
    except UnicodeDecodeError:
        return None
