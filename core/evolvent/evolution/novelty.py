"""Whether nearly the same change of the same program was tried before."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from evolvent.storage.archive import ArchiveTables

__all__ = ["Novelty"]

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]

ALIKE_WORDS = 0.6
"""Share of common words from which two changes are worth embedding."""
LOOKED_AT = 300
"""Changes of one parent that are compared, the newest ones; the same files are found whatever their number."""
PARAMETERS = "genome.toml"
"""Other values of parameters are other programs, however alike they look."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_WORD = re.compile(r"\w+|[^\w\s]")


class Novelty:
    """Compares a change with the newest earlier ones of the same parent, rejected ones included.

    Words are compared first, because embedding takes a thousand times as long; only changes that share most of them,
    and all their numbers, are embedded.

    Args:
        tables: where earlier candidates are.
        embed: texts to unit vectors.
        threshold: cosine similarity from which two changes are the same.
    """

    def __init__(self, tables: ArchiveTables, embed: Embed, threshold: float) -> None:
        self._tables, self._embed, self._threshold = tables, embed, threshold

    def objection(self, parent: str, change: str) -> str:
        """Return what is nearly the same; empty when nothing is.

        Args:
            parent: the program that is changed.
            change: the lines that the change brings and takes away; see `changed_lines`.
        """
        text = _without_parameters(change)
        if not text:
            return ""
        words = _words(text)
        for key, status, earlier in self._tables.changes(parent, LOOKED_AT):
            known = _without_parameters(earlier)
            others = _words(known)
            if not known or len(words & others) < ALIKE_WORDS * len(words | others):
                continue
            if _numbers(known) != _numbers(text):  # an embedder hardly sees them, and a program does
                continue
            one, other = self._embed([text, known])
            likeness = sum(a * b for a, b in zip(one, other, strict=True))
            if known == text or likeness >= self._threshold:
                # Without the run's name, which is drawn: the meta agent reads this, and must read the same each time.
                tried = f"at {key.partition('/')[2]}, similarity {likeness:.3f}"
                return f"nearly the same change was tried before ({tried}): {status}"
        return ""


def _without_parameters(change: str) -> str:
    return "\n".join(line for line in change.splitlines() if not line.startswith(PARAMETERS))


@lru_cache(maxsize=4096)
def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))


def _numbers(text: str) -> list[str]:
    return _NUMBER.findall(text)
