"""Entries of reasoning-gym, made from ids alone: the same ids give the same entry in every process."""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass

from evolvent.errors import RunError, UnknownName, UsageError
from evolvent.types import JsonValue
from evolvent_plugins.gym.client import ask

__all__ = [
    "Entry",
    "EntryId",
    "Score",
    "family_names",
    "library_version",
    "make_entry",
    "require_family",
    "score",
]


@dataclass(frozen=True)
class EntryId:
    """The whole reference of a reasoning-gym task: ids, no answer."""

    dataset: str
    seed: int
    index: int
    size: int

    @classmethod
    def from_reference(cls, reference: JsonValue) -> EntryId:
        """Read a task's reference.

        Raises:
            UsageError: it is not an object with exactly these ids.
        """
        fields = {"dataset": str, "seed": int, "index": int, "size": int}
        if (
            not isinstance(reference, dict)
            or set(reference) != set(fields)
            or any(type(reference[name]) is not kind for name, kind in fields.items())
        ):
            raise UsageError(
                f"the evaluator 'reasoning-gym' got the reference {reference!r}; "
                'it needs {"dataset": family, "seed": int, "index": int, "size": int}'
            )
        made = cls(**reference)  # type: ignore[arg-type]  # the types were checked above
        if not 0 <= made.index < made.size:
            raise UsageError(
                f"index {made.index} of a reasoning-gym reference is not below its size {made.size}"
            )
        return made

    def to_reference(self) -> dict[str, JsonValue]:
        """Return the JSON that a task carries."""
        return asdict(self)


@dataclass(frozen=True)
class Entry:
    """One question with the library's own answer, which is None where many are right."""

    question: str
    answer: JsonValue


@dataclass(frozen=True)
class Score:
    """What a scorer found."""

    value: float
    """In [0, 1]."""
    note: str = ""
    """Why it could not be scored; for people."""


def library_version() -> str:
    """Return the installed version of reasoning-gym; entries are only comparable within one."""
    from importlib.metadata import version

    return version("reasoning-gym")


@functools.cache
def family_names() -> tuple[str, ...]:
    """Return the names of all generators of the library, sorted."""
    names = ask({"do": "families"})
    assert isinstance(names, list)
    return tuple(str(name) for name in names)


def require_family(name: str) -> None:
    """Check that the library has a generator of this name.

    Raises:
        UnknownName: it has not; a close match is named.
    """
    known = family_names()
    if name not in known:
        raise UnknownName(
            "reasoning-gym family", name, known, "`reasoning-gym:starter` is a good first choice."
        )


@functools.lru_cache(maxsize=4096)
def make_entry(entry_id: EntryId) -> Entry:
    """Make one entry.

    Raises:
        UnknownName: there is no such generator.
        UsageError: the generator cannot make this entry.
        RunError: it does not come to an end.
    """
    require_family(entry_id.dataset)
    try:
        made = ask({"do": "make", "entry": entry_id.to_reference()})
    except TimeoutError as late:
        raise RunError(f"making the reasoning-gym entry {entry_id.to_reference()!r} {late}") from late
    if not isinstance(made, dict) or "error" in made:
        raise UsageError(f"reasoning-gym cannot make the entry {entry_id.to_reference()!r}: {made!r}")
    return Entry(str(made["question"]), made["answer"])


def score(entry_id: EntryId, answer: str) -> Score:
    """Score an answer with the library's scorer; always ends, whatever the answer holds.

    Raises:
        UnknownName: there is no such generator.
    """
    require_family(entry_id.dataset)
    try:
        found = ask({"do": "score", "entry": entry_id.to_reference(), "answer": answer})
    except TimeoutError as late:
        return Score(0.0, f"scoring the answer {late}")
    if not isinstance(found, dict):
        return Score(0.0, f"scoring the answer ended with {found!r}")
    return Score(float(str(found["value"])), str(found["note"]))
