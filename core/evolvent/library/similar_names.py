"""Names that could be taken for another skill's name."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["mistakable"]

LOOKALIKES = (
    ("rn", "m"),
    ("vv", "w"),
    ("cl", "d"),
    ("0", "o"),
    ("1", "l"),
    ("i", "l"),
    ("5", "s"),
    ("3", "e"),
)
ENOUGH_FOR_ONE, ENOUGH_FOR_TWO = 6, 14
"""Length from which on one or two changed characters are a slip and not another word."""


def mistakable(name: str, names: Iterable[str]) -> str | None:
    """Return the first of other names that a reader could take `name` for, or None.

    It looks the same (`rn` for `m`), has its words in the plural, in another order or run together, or differs by a
    slip: one character, or two in a long name. Numbers tell names apart: `level-1` is not `level-2`.
    """
    for other in sorted(names):
        if other != name and _mistakable(name, other):
            return other
    return None


def _mistakable(one: str, other: str) -> bool:
    if _numbers(one) and _numbers(other) and _numbers(one) != _numbers(other):
        return False
    if _look(one) == _look(other) or _words(one) == _words(other):
        return True
    shorter = min(len(one), len(other))
    allowed = 0 if shorter < ENOUGH_FOR_ONE else 1 if shorter < ENOUGH_FOR_TWO else 2
    if abs(len(one) - len(other)) > allowed:
        return False
    distance = _edits(one, other)
    # A slip keeps first letters; encode and decode are two words.
    return distance <= min(allowed, 1) or (distance <= allowed and _initials(one) == _initials(other))


def _look(name: str) -> str:
    text = name.replace("-", "")
    for looks, like in LOOKALIKES:
        text = text.replace(looks, like)
    return text


def _words(name: str) -> list[str]:
    return sorted(word[:-1] if len(word) > 3 and word.endswith("s") else word for word in name.split("-"))


def _numbers(name: str) -> list[str]:
    return re.findall(r"\d+", name)


def _initials(name: str) -> str:
    return "".join(word[:1] for word in name.split("-"))


def _edits(one: str, other: str) -> int:
    """Edit distance with swaps of neighbours (Damerau 1964, optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        previous, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, previous[j - 2] + 1)
            row.append(cost)
    return row[-1]
