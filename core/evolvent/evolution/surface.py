"""The mutable surface: an allow-list that is checked on the resulting tree, not on a list of changes."""

from __future__ import annotations

import ast
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from evolvent.errors import UsageError
from evolvent.evolution.parameters import PARAMETER_FILE, read_parameters
from evolvent.syntax import nodes_of

__all__ = [
    "ENTRY_POINTS",
    "MAX_FILE",
    "MAX_GENOME",
    "check_surface",
    "is_mutable",
    "mutable_paths",
    "read_genome",
]

PROGRAM = ("improve.py", "meta_agent.py", "select_parent.py", "task_agent.py", "template.py")
ENTRY_POINTS = {
    "task_agent.py": {"solve": 2},
    "meta_agent.py": {"learn": 2, "improve": 3},
    "select_parent.py": {"select": 2},
}
"""What each program must have: file to functions and the number of their parameters."""
_PROMPT = re.compile(r"prompts/[a-z0-9][a-z0-9_-]{0,63}\.md")
MAX_FILE = 200_000
"""Characters of one file."""
MAX_GENOME = 500_000
"""Characters of all files together."""


def is_mutable(path: str) -> bool:
    """Tell whether a file of this path may be in an agent program."""
    return path in (*PROGRAM, PARAMETER_FILE) or _PROMPT.fullmatch(path) is not None


def mutable_paths() -> str:
    """Say in words which paths these are."""
    return f"{', '.join(PROGRAM)}, {PARAMETER_FILE} and prompts/*.md"


def check_surface(files: Mapping[str, str]) -> list[str]:
    """Return what is wrong with an agent program; empty when nothing is.

    Args:
        files: relative path to text: the whole resulting tree.
    """
    faults = [
        f"{path!r} is outside of what may be changed: {mutable_paths()}"
        for path in sorted(files)
        if not is_mutable(path)
    ]
    faults += [
        f"{path!r} has {len(text)} characters; at most {MAX_FILE}"
        for path, text in sorted(files.items())
        if len(text) > MAX_FILE
    ]
    total = sum(map(len, files.values()))
    if total > MAX_GENOME:
        faults.append(f"the program has {total} characters; at most {MAX_GENOME}")
    if faults:
        return faults
    own = frozenset(name.removesuffix(".py") for name in files if name.endswith(".py"))
    for path in (name for name in PROGRAM if name in files):
        faults += _program_faults(path, files[path], own)
    try:
        read_parameters(files)
    except UsageError as error:
        faults.append(str(error))
    return faults + [f"{path!r} is missing" for path in ENTRY_POINTS if path not in files]


def read_genome(folder: Path) -> dict[str, str]:
    """Read an agent program from a folder, without following any symbolic link.

    Raises:
        UsageError: it is no folder, or holds something that is no small UTF-8 text file.
    """
    if not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is no folder")
    files: dict[str, str] = {}
    for path in _entries(folder):
        name = path.relative_to(folder).as_posix()
        info = path.lstat()
        if not stat.S_ISREG(info.st_mode):
            raise UsageError(f"{name!r} is no regular file; an agent program has only those")
        if info.st_size > 4 * MAX_FILE:
            raise UsageError(f"{name!r} has {info.st_size} bytes; at most {4 * MAX_FILE}")
        try:
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), encoding="utf-8", newline="") as file:
                files[name] = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{name!r} cannot be read as UTF-8 text: {error}") from None
    return files


def _entries(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in ("__pycache__", ".git"):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _entries(path)
        else:
            yield path


@lru_cache(maxsize=512)
def _program_faults(path: str, text: str, own: frozenset[str]) -> tuple[str, ...]:
    """Most files of a program are those of its parent: they are compiled once."""
    try:
        tree = ast.parse(text, path)
        compile(tree, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return (f"{path!r} does not compile: {type(error).__name__}: {error}",)
    foreign = sorted({m for m in _imports(tree) if m not in sys.stdlib_module_names and m not in own})
    faults = [
        f"{path!r} imports {module!r}; a program has the standard library and its own files"
        for module in foreign
    ]
    for function, count in ENTRY_POINTS.get(path, {}).items():
        found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function]
        if not found:
            faults.append(f"{path!r} does not define {function}()")
        elif len(found[-1].args.posonlyargs) + len(found[-1].args.args) < count and not found[-1].args.vararg:
            faults.append(f"{function}() of {path!r} takes fewer than {count} arguments")
    return tuple(faults)


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in nodes_of(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]
