"""Programs that try a sandbox: hostile ones that want out, and ordinary ones that must still run.

They are data: files in `hostile/` and `benign/` that are read, never imported by the host. In `hostile/` each
top-level function without an underscore is one attack, `def attack(bait)`. It returns a list of texts that say
what it got: an empty list means nothing. Its docstring says what it tries, and keyword-only defaults set fields
of `Limits` for it (and `files`, for commands). What the attack itself reports is only a part: `Bait` watches
from the host, with a listener, canaries and a victim, whether it got anywhere.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from evolvent.types import JsonValue, Limits

__all__ = ["ATTACK_LIMITS", "Attack", "BenignProgram", "attacks", "benign_programs"]

HOSTILE = Path(__file__).parent / "hostile"
BENIGN = Path(__file__).parent / "benign"
EXPECTED = BENIGN / "expected.json"
ATTACK_LIMITS = {"wall_seconds": 3.0, "cpu_seconds": 5}
Way = Literal["call", "command", "session"]
WAYS: dict[str, Way] = {"commands": "command", "sessions": "session"}
"""How the attacks of a file are run, where not by calling a function."""


@dataclass(frozen=True)
class Attack:
    """One hostile program."""

    name: str
    category: str
    description: str
    source: str
    way: Way
    limits: Limits
    files: dict[str, str] = field(default_factory=dict)
    """Files beside a command."""


@dataclass(frozen=True)
class BenignProgram:
    """One ordinary program: `name()` of `source` returns `expected`."""

    name: str
    source: str
    expected: JsonValue


def attacks(*names: str) -> list[Attack]:
    """Return the attacks of the given categories or names; without any, all of them.

    Raises:
        KeyError: there is no such category or attack.
    """
    found = [attack for path in sorted(HOSTILE.glob("*.py")) for attack in _attacks_of(path)]
    known = {name for attack in found for name in (attack.name, attack.category)}
    if unknown := sorted(set(names) - known):
        raise KeyError(f"no attack or category {unknown[0]!r}; there is {', '.join(sorted(known))}")
    return [a for a in found if not names or a.name in names or a.category in names]


def benign_programs() -> list[BenignProgram]:
    """Return the ordinary programs with the values that they must return."""
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    programs = []
    for path in sorted(BENIGN.glob("*.py")):
        source = path.read_text(encoding="utf-8")
        programs += [BenignProgram(f.name, source, expected[f.name]) for f in _functions(source)]
    return programs


def _attacks_of(path: Path) -> Iterator[Attack]:
    source = path.read_text(encoding="utf-8")
    for function in _functions(source):
        options = _options(function)
        files = options.pop("files", {})
        yield Attack(
            name=function.name,
            category=path.stem,
            description=(ast.get_docstring(function) or "").partition("\n")[0],
            source=source,
            way=WAYS.get(path.stem, "call"),
            limits=Limits(**{**ATTACK_LIMITS, **options}),
            files=files,
        )


def _functions(source: str) -> list[ast.FunctionDef]:
    body = ast.parse(source).body
    return [node for node in body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]


def _options(function: ast.FunctionDef) -> dict[str, Any]:
    pairs = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    return {arg.arg: ast.literal_eval(default) for arg, default in pairs if default is not None}
