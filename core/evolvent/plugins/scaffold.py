"""Making the package of a new plugin: complete, installable, with tests that pass as generated."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from evolvent.errors import UsageError
from evolvent.hookspecs import HOOKS_VERSION

__all__ = ["KINDS", "new_plugin"]

KINDS = {
    "tool": "a tool that counts words.",
    "evaluator": "an evaluator that counts words.",
    "guard": "a guard that looks at tool calls and skills.",
}
"""What can be generated, with what it does."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PREFIX = "evolvent-"


def new_plugin(name: str, folder: Path, kind: str = "tool") -> Path:
    """Write a plugin's package.

    Args:
        name: lower case, words joined by `-`; a leading `evolvent-` may be left out.
        folder: gets a new folder `evolvent-NAME`.
        kind: one of `KINDS`.

    Returns:
        The new folder.

    Raises:
        UsageError: the name or kind cannot be used, or the folder is there already; nothing was written.
    """
    short = name.removeprefix(_PREFIX)
    if not _NAME.fullmatch(short) or len(short) > 50:
        raise UsageError(
            f"{name!r} cannot be a plugin's name; use up to 50 lower-case letters and digits, words joined by '-', "
            "for example 'word-count'"
        )
    if kind not in KINDS:
        raise UsageError(f"unknown kind {kind!r}; known: {', '.join(KINDS)}")
    target = folder / f"{_PREFIX}{short}"
    if target.exists():
        raise UsageError(f"{str(target)!r} is there already; give another name, or move it aside")
    module = f"{_PREFIX}{short}".replace("-", "_")
    major, minor, *_ = version("evolvent").split(".")
    words = {
        "name": short.replace("-", "_"),
        "package": f"{_PREFIX}{short}",
        "module": module,
        "about": KINDS[kind],
        "hooks_version": ", ".join(map(str, HOOKS_VERSION)),
        "requirement": f">={major}.{minor}",
    }
    folder.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=folder))
    try:
        for path, text in _filled(kind, module, words):
            (draft / path).parent.mkdir(parents=True, exist_ok=True)
            (draft / path).write_text(text, encoding="utf-8")
        draft.chmod(0o755)
        draft.rename(target)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise UsageError(f"{str(target)!r} cannot be written: {error.strerror}") from None
    return target


def _filled(kind: str, module: str, words: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each file of the package with its text."""
    root = files("evolvent") / "scaffold"
    yield f"src/{module}/py.typed", ""
    sources = [
        *((path, entry) for path, entry in _walk(root / "common")),
        (f"src/{module}/__init__.py", root / kind / "src" / "__init__.py.in"),
        ("tests/test_plugin.py", root / kind / "test_plugin.py.in"),
    ]
    for path, entry in sources:
        yield path, Template(entry.read_text(encoding="utf-8")).substitute(words)


def _walk(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name.removesuffix(".in"), entry
