"""What speaks against a change of the agent program before it runs: a list of findings, each with file and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from evolvent.evolution.reach import reaches
from evolvent.evolution.recitation import recitations
from evolvent.library.obfuscation_scan import hidden_texts, script_texts
from evolvent.scanning import scan_prose
from evolvent.syntax import parsed
from evolvent.types import Modification

__all__ = ["suspicions"]


def suspicions(modification: Modification, known: Sequence[tuple[str, str]] = ()) -> list[str]:
    """Return what is suspicious in a modification; empty when nothing is.

    The whole resulting program is looked at, because a change may finish what an earlier one began. Recited tasks
    count only beyond what the parent had.

    Args:
        modification: its `after` passed `check_surface`.
        known: (prompt, expected answer) of the train tasks whose failures the author may have seen.
    """
    after = modification.after
    own = frozenset(path.removesuffix(".py") for path in after if path.endswith(".py"))
    found: list[str] = []
    for path, text in sorted(after.items()):
        found += _of_code(path, text, own) if path.endswith(".py") else _of_prose(path, text)
    found += recitations(modification.before, after, known)
    return list(dict.fromkeys(found))


@lru_cache(maxsize=512)
def _of_code(path: str, text: str, own: frozenset[str]) -> tuple[str, ...]:
    """Most files of a program are those of its parent: they are looked at once."""
    return tuple(_code_findings(path, text, own))


def _code_findings(path: str, text: str, own: frozenset[str]) -> Iterator[str]:
    try:
        tree = parsed(text)
        for line, what in reaches(path, tree, own):
            yield f"{path!r} line {line} {what}"
        for reason in (*hidden_texts(tree, text), *scan_prose(*script_texts(tree))):
            yield f"{path!r} {reason.replace('a skill', 'a program')}"
    except RecursionError:
        yield f"{path!r} is nested too deeply to be looked at"


@lru_cache(maxsize=512)
def _of_prose(path: str, text: str) -> tuple[str, ...]:
    return tuple(f"{path!r} {reason}" for reason in scan_prose(text))
