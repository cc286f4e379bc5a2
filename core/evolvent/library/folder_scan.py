"""A look at every file of a skill's folder before anything of it is used: for skills that come from elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from evolvent.errors import IntegrityError
from evolvent.library.format import read_skill
from evolvent.library.script import SCRIPT_PATH
from evolvent.library.static_scan import scan_script
from evolvent.scanning import scan_prose

__all__ = ["scan_folder"]

TEXTS = frozenset({".md", ".txt", ".json", ".csv", ".tsv", ".yaml", ".yml", ".toml", ".py", ".rst", ""})
PICTURES = {
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".gif": (b"GIF87a", b"GIF89a"),
    ".pdf": (b"%PDF-",),
}
"""Files that are not text, and how each must begin."""
MAX_TEXT_BYTES = 1024 * 1024


def scan_folder(path: Path) -> list[str]:
    """Return the reasons to refuse a skill's folder; empty when there are none.

    Every file is read: scripts like `scripts/solve.py`, all other texts like prose, so that a secret or an
    instruction in a reference, an asset or a test is found too. What is neither text nor a picture is refused.

    Args:
        path: the folder that holds SKILL.md.
    """
    try:
        read_skill(path, any_folder_name=True)
    except IntegrityError as error:
        return [f"format: {error}"]
    reasons: list[str] = []
    for parent, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            where = file.relative_to(path).as_posix()
            reasons += [f"{where}: {reason}" for reason in _scan_file(file, where)]
    return reasons


def _scan_file(file: Path, where: str) -> Iterator[str]:
    if any(part.startswith(".") for part in Path(where).parts):
        yield "hidden files are refused"
        return
    ending = file.suffix.lower()
    if ending in PICTURES:
        if not file.read_bytes().startswith(PICTURES[ending]):
            yield f"does not begin as a {ending} file does"
        return
    if ending not in TEXTS:
        yield f"files of this kind are refused; allowed: {', '.join(sorted((TEXTS - {''}) | PICTURES.keys()))}"
        return
    size = file.stat().st_size
    if size > MAX_TEXT_BYTES:
        yield f"{size} bytes; allowed: {MAX_TEXT_BYTES}"
        return
    try:
        text = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        yield f"not UTF-8 (byte {error.start})"
        return
    if ending == ".json":
        text += "\n" + _unescaped(text)
    yield from scan_prose(text)
    if ending == ".py":
        reasons = scan_script(text)
        yield from (r for r in reasons if where == SCRIPT_PATH or not r.startswith("defines no top-level"))


def _unescaped(text: str) -> str:
    """Return the texts of a JSON file as they are meant: escapes would hide them."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    found: list[str] = []
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, dict):
            rest += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            rest += item
    return "\n".join(found)
