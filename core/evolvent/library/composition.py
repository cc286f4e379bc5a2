"""Skills that call other skills.

A script says `from skills import other_name` and calls `other_name.solve(question)`. Admission resolves the name to the
version that is in use, notes it under `evolvent-requires`, and lays the other's script into `scripts/skills/`, so that
the folder runs in any agent. Here, calls run with the resolved versions bundled into the one source that goes into the
sandbox: nothing is loaded from a file, and nobody is asked.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from evolvent.errors import IntegrityError, UnknownName
from evolvent.library.script import without_main
from evolvent.library.store import SkillStore
from evolvent.types import Skill

__all__ = [
    "PACKAGE",
    "REQUIRES_KEY",
    "Part",
    "bundle",
    "dependents",
    "module_name",
    "parts_of",
    "required_modules",
    "requires",
    "runnable",
    "vendored",
]

REQUIRES_KEY = "evolvent-requires"
PACKAGE = "skills"
MAX_DEPTH, MAX_PARTS = 4, 16
"""Skills below each other, and all skills together, that one may rest on."""

_BUNDLE = """\
import sys, types
_package = sys.modules[{package!r}] = types.ModuleType({package!r})
_package.__path__ = []
for _name, _source in {parts!r}:
    _module = types.ModuleType({package!r} + "." + _name)
    exec(compile(_source, "<skills/" + _name + ">", "exec", dont_inherit=True), _module.__dict__)
    sys.modules[{package!r} + "." + _name] = _module
    setattr(_package, _name, _module)
exec(compile({script!r}, "<function>", "exec", dont_inherit=True), globals())
"""


class Part(NamedTuple):
    """A skill that another one rests on, in the version that it was admitted with."""

    name: str
    digest: str
    script: str

    @property
    def pin(self) -> str:
        """How it is written under `evolvent-requires`."""
        return f"{self.name}@{self.digest[:8]}"


def module_name(name: str) -> str:
    """Return the name under which a script imports a skill."""
    return name.replace("-", "_")


def required_modules(script: str) -> list[str]:
    """Return what a script imports from `skills`, in order; the script must parse."""
    found: dict[str, None] = {}
    for node in ast.walk(ast.parse(script)):
        if isinstance(node, ast.ImportFrom) and node.module == PACKAGE and not node.level:
            found.update(dict.fromkeys(alias.name for alias in node.names))
    return list(found)


def requires(skill: Skill) -> dict[str, str]:
    """Return the skills that a skill calls itself, by name, with the beginning of the version's digest."""
    pins = skill.metadata.get(REQUIRES_KEY, "").split()
    return {name: version for name, _, version in (pin.partition("@") for pin in pins)}


def parts_of(store: SkillStore, name: str, script: str, pins: Mapping[str, str] | None = None) -> list[Part]:
    """Return all skills that a script rests on, each after those that it rests on itself.

    Args:
        store: where they are.
        name: of the skill whose script it is.
        script: says what it calls.
        pins: versions to use of what it calls itself; without them the ones in use.

    Raises:
        IntegrityError: one is missing, out of use or without a script; they form a circle, are too many, or rest on two
            versions of the same skill.
    """
    found: dict[str, Part] = {}

    def take(owner: str, source: str, pinned: Mapping[str, str] | None, path: Sequence[str]) -> None:
        for module in required_modules(source):
            wanted = module.replace("_", "-")
            if wanted in path:
                raise IntegrityError(
                    f"{' → '.join([*path, wanted])}: skills that call each other in a circle"
                )
            if len(path) > MAX_DEPTH:
                raise IntegrityError(f"{' → '.join([*path, wanted])}: deeper than {MAX_DEPTH} skills")
            part = _version(store, owner, wanted, None if pinned is None else pinned.get(wanted))
            known = found.get(wanted)
            if known is not None and known.digest != part.digest:
                raise IntegrityError(
                    f"{name!r} rests on two versions of {wanted!r}: {known.digest[:8]} and {part.digest[:8]}"
                )
            if known is None:
                skill = _skill(store, part)
                take(wanted, part.script, requires(skill), [*path, wanted])
                found[wanted] = part
            if len(found) > MAX_PARTS:
                raise IntegrityError(f"{name!r} rests on more than {MAX_PARTS} skills")

    take(name, script, pins, [name])
    return list(found.values())


def _version(store: SkillStore, owner: str, name: str, wanted: str | None) -> Part:
    """Return one version of a skill: the wanted one, wherever it is kept, else the one in use."""
    try:
        present = store.get(name)
    except UnknownName as error:
        raise IntegrityError(f"{owner!r} calls the skill {name!r}: {error}") from None
    skill = present
    if wanted is not None and not present.digest.startswith(wanted):
        fitting = [v.skill for v in store.versions(name) if v.skill.digest.startswith(wanted)]
        if not fitting:
            raise IntegrityError(f"{owner!r} calls version {wanted} of {name!r}, which is not kept any more")
        skill = fitting[0]
    elif not present.state.usable:
        raise IntegrityError(f"{owner!r} calls the skill {name!r}, which is {present.state.value}")
    if skill.script is None:
        raise IntegrityError(f"{owner!r} calls the skill {name!r}, which has no script")
    return Part(name, skill.digest, without_main(skill.script))


def _skill(store: SkillStore, part: Part) -> Skill:
    return next(v.skill for v in store.versions(part.name) if v.skill.digest == part.digest)


def bundle(script: str, parts: Sequence[Part]) -> str:
    """Return one source that defines what a script defines, with the skills that it calls in it."""
    if not parts:
        return script
    sources = [(module_name(part.name), part.script) for part in parts]
    return _BUNDLE.format(package=PACKAGE, parts=sources, script=script)


def runnable(store: SkillStore, skill: Skill) -> str:
    """Return the source to run a skill with.

    Raises:
        IntegrityError: it has no script, or a skill that it calls cannot be had.
    """
    if skill.script is None:
        raise IntegrityError(f"the skill {skill.name!r} has no script")
    if REQUIRES_KEY not in skill.metadata:
        return skill.script
    script = without_main(skill.script)
    return bundle(script, parts_of(store, skill.name, script, requires(skill)))


def vendored(parts: Sequence[Part]) -> dict[str, str]:
    """Return the files that let a composed skill's folder run in other agents: relative path to text."""
    return {f"scripts/{PACKAGE}/{module_name(part.name)}.py": part.script for part in parts}


def dependents(store: SkillStore, name: str) -> list[Skill]:
    """Return the skills that rest on a skill, directly or through others, nearest first; retired ones do not count."""
    found: dict[str, Skill] = {}
    wanted = [name]
    while wanted:
        for skill in _callers(store, wanted.pop(0)):
            if skill.name not in found and skill.name != name:
                found[skill.name] = skill
                wanted.append(skill.name)
    return list(found.values())


def _callers(store: SkillStore, name: str) -> Iterator[Skill]:
    for skill in store.list():
        if name in requires(skill) and skill.state.value not in ("retired", "rejected"):
            yield skill
