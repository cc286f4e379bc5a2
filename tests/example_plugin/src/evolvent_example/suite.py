"""A suite: the same tasks in the same order every time, and no task in two splits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from evolvent import Split, Task
from evolvent.errors import UnknownName
from evolvent.types import digest

SYLLABLES = ("ba", "den", "flor", "gi", "hant", "jo", "kelm", "lu", "mis", "norp")


class Letters:
    """Made-up words whose letters are to be counted."""

    def __init__(self, rest: str = "") -> None:
        self.name = f"letters:{rest}" if rest else "letters"
        self.families: tuple[str, ...] = ("count-letters",)

    def tasks(self, split: Split, family: str) -> Iterator[Task]:
        """Yield a third of all words of three syllables for each split."""
        if family not in self.families:
            raise UnknownName("family", family, self.families)
        chosen = list(Split).index(Split(split))
        for number, syllables in enumerate(itertools.product(SYLLABLES, repeat=3)):
            if number % 3 == chosen:
                word = "".join(syllables)
                yield Task(
                    prompt=f"How many letters has the word {word}?",
                    suite=self.name,
                    family=family,
                    split=Split(split),
                    evaluator="close",
                    reference=len(word),
                )

    def digest(self) -> str:
        """Return a hash of what the splits contain."""
        return digest([self.name, list(SYLLABLES)])
