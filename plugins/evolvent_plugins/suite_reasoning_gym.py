"""`reasoning-gym:` suites over all generators of that library.

How the splits are made: each split draws from its own range of seeds, and a drawn task belongs to the split
only if the hash of its prompt says so (half of all prompts are train, a quarter gate, a quarter sealed). So
a prompt can occur in one split only, for small generators too, whatever number of tasks is taken from each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from evolvent.errors import UnknownName, UsageError
from evolvent.hookspecs import hookimpl
from evolvent.protocols import SuiteFactory
from evolvent.types import Split, Task, digest
from evolvent_plugins.gym.entries import EntryId, library_version, make_entry, require_family
from evolvent_plugins.gym.hazards import require_scorable

__all__ = ["STARTER", "ReasoningGymSuite", "register_suites"]

STARTER = (
    "spell_backward",
    "count_bits",
    "products",
    "word_sequence_reversal",
    "gcd",
    "lcm",
    "letter_counting",
    "number_sorting",
)

SEEDS_PER_SPLIT = 1_000_000
"""The library seeds entry i with `seed + i`: ranges of this width cannot overlap."""
CHUNK = 64
"""Entries of one dataset of the library; some families make all entries of a dataset when it is opened."""
FIRST_SEED = {Split.TRAIN: 0, Split.GATE: SEEDS_PER_SPLIT, Split.SEALED: 2 * SEEDS_PER_SPLIT}
QUARTERS = {Split.TRAIN: (0, 1), Split.GATE: (2,), Split.SEALED: (3,)}
FRUITLESS_DRAWS = 400
"""So many draws in a row without a new task end a split: the generator has no more prompts for it."""


class ReasoningGymSuite:
    """Tasks of some reasoning-gym families, judged by the library's own `score_answer`."""

    example = "starter"
    """What `evolvent.testing` checks the suite with."""

    def __init__(self, spec: str) -> None:
        """Read what follows `reasoning-gym:`: `starter`, or families separated by commas.

        Raises:
            UnknownName: the library has no such family.
            UsageError: no family is named, or one cannot be scored safely.
        """
        self.name = f"reasoning-gym:{spec}"
        self._families = _parse(spec)

    @property
    def families(self) -> tuple[str, ...]:
        """The generators, in the order of the spec."""
        return self._families

    def tasks(self, split: Split, family: str) -> Iterator[Task]:
        """Yield the tasks of a split and family; ends only when a generator runs out of new prompts.

        Raises:
            UnknownName: the family is not part of this suite.
        """
        if family not in self._families:
            raise UnknownName(f"family of the suite {self.name!r}", family, self._families)
        return self._draw(split, family)

    def _draw(self, split: Split, family: str) -> Iterator[Task]:
        seen: set[bytes] = set()
        fruitless = 0
        for index in range(SEEDS_PER_SPLIT):
            chunk, place = divmod(index, CHUNK)
            entry_id = EntryId(family, FIRST_SEED[split] + chunk * CHUNK, place, CHUNK)
            prompt = make_entry(entry_id).question
            key = hashlib.sha256(prompt.encode()).digest()
            if key[0] % 4 not in QUARTERS[split] or key in seen:
                fruitless += 1
                if fruitless == FRUITLESS_DRAWS:
                    return
                continue
            seen.add(key)
            fruitless = 0
            yield Task(
                id=f"rg-{family}-{split}-{index}",
                prompt=prompt,
                suite=self.name,
                family=family,
                split=split,
                evaluator="reasoning-gym",
                reference=entry_id.to_reference(),
            )

    def digest(self) -> str:
        """Return a hash of the library's version, the families and how splits are drawn."""
        return digest(
            {
                "library": library_version(),
                "families": list(self._families),
                "seeds": {split.value: seed for split, seed in FIRST_SEED.items()},
                "quarters": {split.value: list(quarters) for split, quarters in QUARTERS.items()},
                "chunk": CHUNK,
            }
        )


def _parse(spec: str) -> tuple[str, ...]:
    if spec.strip() == "starter":
        return STARTER
    names = tuple(dict.fromkeys(name.strip() for name in spec.split(",") if name.strip()))
    if not names:
        raise UsageError(
            f"the suite 'reasoning-gym:{spec}' names no family; write reasoning-gym:starter or "
            "reasoning-gym:<family>[,<family>…]"
        )
    for name in names:
        require_family(name)
        require_scorable(name)
    return names


@hookimpl
def register_suites(register: Callable[[str, SuiteFactory], None]) -> None:
    """Register the scheme `reasoning-gym`."""
    register("reasoning-gym", ReasoningGymSuite)
