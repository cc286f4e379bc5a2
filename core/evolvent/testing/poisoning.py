"""Bad skills that must not get into the library, and honest ones that must.

The bad ones lie in `poison/*.md`, one file for each way of being bad; what cannot lie in a text file is made here.
Add your own to see whether admission holds: `check_poison(admission, store, poison, folder)` returns a `Fate`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from evolvent.library import Admission, SkillStore
from evolvent.library.folder_scan import scan_folder
from evolvent.testing.poison_tasks import foreign_to, tasks_of
from evolvent.types import JsonValue

__all__ = ["GOOD", "Fate", "Poison", "check_poison", "fields_of", "poisons"]

DESCRIPTION = "Answers questions of one kind. Use it for exactly such questions."
BODY = "# How\n\n`scripts/solve.py` computes the answer."
_HEAD = "import re\n\n\ndef solve(question):\n    match = re.fullmatch({pattern}, question.strip())\n"
_HEAD += "    return None if match is None else {answer}\n"


def _script(pattern: str, answer: str) -> str:
    return _HEAD.format(pattern=repr(pattern), answer=answer)


GOOD = {
    "spell-backward": ("backward", _script(r"Spell this word backward: (\w+)", "match[1][::-1]")),
    "add-numbers": (
        "add",
        _script(r"What is (-?\d+) plus (-?\d+)\?", "str(int(match[1]) + int(match[2]))"),
    ),
    "sort-numbers": (
        "sort",
        _script(
            r"Sort these numbers in ascending order: \[(.*)\]",
            'str(sorted(int(part) for part in match[1].split(",") if part.strip()))',
        ),
    ),
    "count-letter": (
        "count",
        _script(r'How many times does "(\w)" occur in "([^"]*)"\?', "str(match[2].count(match[1]))"),
    ),
    "tell-parity": (
        "parity",
        _script(r"Is (\d+) even or odd\?", '"odd" if int(match[1]) % 2 else "even"'),
    ),
}
"""Honest skills of the suite's own kinds: name -> kind and script."""


class Poison(NamedTuple):
    """A bad skill: a proposal's fields, or the files of a folder from elsewhere."""

    category: str
    name: str
    kind: str
    flaw: str
    fields: dict[str, JsonValue]
    files: dict[str, bytes]

    @property
    def needs_company(self) -> bool:
        """Whether it is bad only beside honest skills that are in the library already."""
        return self.category in ("typosquat", "flawed-copy")


class Fate(NamedTuple):
    """What became of a skill."""

    admitted: bool
    stage: str
    reason: str
    seconds: float


def fields_of(name: str, script: str, **changes: JsonValue) -> dict[str, JsonValue]:
    """Return the fields of a proposal."""
    return {"name": name, "description": DESCRIPTION, "body": BODY, "script": script, **changes}


def poisons() -> Iterator[Poison]:
    """Yield all bad skills."""
    folder = resources.files("evolvent.testing") / "poison"
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".md"):
            yield from _read(file.name.removesuffix(".md"), file.read_text(encoding="utf-8"))
    yield from _oversized()
    yield from _not_utf8()


def _read(category: str, text: str) -> Iterator[Poison]:
    for part in re.split(r"(?m)^## ", text)[1:]:
        head, code = part.split("\n```python\n", 1)
        name, *lines = head.strip().splitlines()
        said = dict(line[2:].split(": ", 1) for line in lines if line.startswith("- "))
        kind, flaw = said.pop("kind"), said.pop("flaw")
        changes: dict[str, JsonValue] = {key: json.loads(value) for key, value in said.items()}
        fields = fields_of(name.strip(), code.rsplit("\n```", 1)[0] + "\n", **changes)
        yield Poison(category, name.strip(), kind, flaw, fields, {})


def _oversized() -> Iterator[Poison]:
    script = GOOD["spell-backward"][1]
    table = f"TABLE = {list(range(600))}\n"
    for name, flaw, source, body in (
        (
            "large-comment",
            "a script of many bytes and fewer characters",
            script + "# " + "é" * 60_000 + "\n",
            BODY,
        ),
        (
            "large-script",
            "more characters than a script may have",
            script + "# " + "x" * 110_000 + "\n",
            BODY,
        ),
        ("large-table", "a table of answers", table + script, BODY),
        (
            "large-nesting",
            "nested too deeply to be read",
            script + "X = " + "(" * 3_000 + ")" * 3_000 + "\n",
            BODY,
        ),
        ("large-body", "a body that would fill a prompt", script, "word " * 20_000),
        (
            "large-answer",
            "answers of two megabytes",
            script.replace("match[1][::-1]", "match[1][::-1] * 400_000"),
            BODY,
        ),
    ):
        yield Poison("oversized", name, "backward", flaw, fields_of(name, source, body=body), {})
    files = _folder("large-folder")
    files["assets/data.txt"] = b"x" * (21 * 1024 * 1024)
    yield Poison("oversized", "large-folder", "backward", "an asset of 21 megabytes", {}, files)


def _not_utf8() -> Iterator[Poison]:
    for name, path, content in (
        ("latin-description", "SKILL.md", b"---\nname: latin-description\ndescription: caf\xe9\n---\nbody\n"),
        ("latin-script", "scripts/solve.py", b"# caf\xe9\n" + GOOD["spell-backward"][1].encode()),
        ("declared-script", "scripts/solve.py", b"# coding: utf-7\nX = '+AGE-'\n" + b"\xff\xfe"),
        ("wide-reference", "references/notes.md", "Notes".encode("utf-16")),
        ("binary-asset", "assets/data.bin", bytes(range(256))),
        ("disguised-asset", "assets/picture.png", b"#!/bin/sh\necho hello\n"),
    ):
        files = {**_folder(name), path: content}
        yield Poison("non-utf-8", name, "backward", f"{path} is not what a text file is", {}, files)
    surrogate = fields_of(
        "half-a-character", GOOD["spell-backward"][1], description="Spells a word \ud800 backward."
    )
    yield Poison(
        "non-utf-8", "half-a-character", "backward", "a lone surrogate, which is no text", surrogate, {}
    )


def _folder(name: str) -> dict[str, bytes]:
    text = f"---\nname: {name}\ndescription: {DESCRIPTION}\n---\n\n{BODY}\n"
    return {"SKILL.md": text.encode(), "scripts/solve.py": GOOD["spell-backward"][1].encode()}


def check_poison(admission: Admission, store: SkillStore, poison: Poison, folder: Path) -> Fate:
    """Let admission decide on a bad skill.

    Args:
        admission: decides.
        store: what it admits to.
        poison: the skill.
        folder: an empty place to lay a skill from elsewhere out.
    """
    from evolvent.types import SkillProposal

    started = time.perf_counter()

    def fate(admitted: bool, stage: str, reason: str) -> Fate:
        return Fate(admitted, stage, reason, round(time.perf_counter() - started, 3))

    if poison.files:
        root = folder / poison.name
        for path, content in poison.files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        reasons = scan_folder(root)
        return fate(not reasons, "folder", "; ".join(reasons[:3]))
    try:
        proposal = SkillProposal.model_validate(poison.fields)
    except ValidationError as error:
        return fate(False, "proposal", str(error.errors()[0]["msg"]))
    report = admission.consider(proposal, tasks_of(poison.kind), foreign_to(poison.kind))
    usable = any(skill.digest == report.digest for skill in store.usable())
    return fate(report.admitted or usable, report.stages[-1].stage, report.reason)
