"""Variants as policies see them, with their numbers in arrays that grow with the archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, overload

from evolvent.types.variant import Variant

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Population"]

_ROOM = 64
"""Columns of room at first; doubled whenever they are full."""
_SCORE, _TRIALS, _PASSED, _CHILDREN = range(4)


class Population(Sequence[Variant]):
    """A sequence of variants, oldest first, then attempts: candidates that never became variants.

    A choice from ten thousand variants must not read each of them again: what most policies weigh is kept for the
    viable ones in arrays, in their order, and changes with what is added.
    """

    def __init__(self, variants: Iterable[Variant] = ()) -> None:
        """Take variants as they are; none of them is an attempt."""
        import numpy as np

        self._known = list(variants)
        self._attempts: list[Variant] = []
        self.viable = [v for v in self._known if v.viable]
        """Those that may be parents, oldest first."""
        self._at = {v.id: place for place, v in enumerate(self._known)}
        self._viable_at = {v.id: place for place, v in enumerate(self.viable)}
        self.children_of: Counter[str] = Counter(chain.from_iterable(map(_parents, self._known)))
        """Children of each id, attempts included; a parent that is named twice has one."""
        counts = self.children_of
        rows = np.array([(v.score, v.trials, v.passed, counts[v.id]) for v in self.viable], dtype=np.float64)
        self._numbers = np.zeros((4, max(_ROOM, len(self.viable))))
        if len(rows):
            self._numbers[:, : len(rows)] = rows.T

    @classmethod
    def of(cls, archive: Sequence[Variant]) -> Population:
        """Return an archive itself where it is a population, and one of its variants otherwise."""
        return archive if isinstance(archive, Population) else cls(archive)

    @property
    def scores(self) -> NDArray[np.float64]:
        """Mean scores of the viable variants, shape (viable,)."""
        return self._numbers[_SCORE, : len(self.viable)]

    @property
    def trials(self) -> NDArray[np.float64]:
        """Trials of the viable variants, shape (viable,)."""
        return self._numbers[_TRIALS, : len(self.viable)]

    @property
    def passed(self) -> NDArray[np.float64]:
        """Trials that the viable variants passed, shape (viable,)."""
        return self._numbers[_PASSED, : len(self.viable)]

    @property
    def children(self) -> NDArray[np.float64]:
        """Children of the viable variants, attempts included, shape (viable,)."""
        return self._numbers[_CHILDREN, : len(self.viable)]

    def is_viable(self, variant: str) -> bool:
        """Whether this is the id of a variant that may be a parent."""
        return variant in self._viable_at

    def append(self, variant: Variant) -> None:
        """Add a variant that is younger than all others."""
        self._at[variant.id] = len(self._known)
        self._known.append(variant)
        self._count(variant)
        if variant.viable:
            place = self._viable_at[variant.id] = len(self.viable)
            self.viable.append(variant)
            self._make_room()
            self._write(place, variant)

    def attempt(self, variant: Variant) -> None:
        """Add an attempt, which counts as a child and is nothing else."""
        self._attempts.append(variant)
        self._count(variant)

    def replace(self, variant: Variant) -> bool:
        """Put a variant with other scores in its place; return whether that was possible, else nothing changes.

        It is not where it is not here, or its parents or whether it is viable are not what they were.
        """
        place = self._at.get(variant.id)
        if place is None:
            return False
        old = self._known[place]
        if (old.viable, old.parents) != (variant.viable, variant.parents):
            return False
        self._known[place] = variant
        if variant.viable:
            place = self._viable_at[variant.id]
            self.viable[place] = variant
            self._write(place, variant)
        return True

    def copy(self) -> Population:
        """Return one that changes by itself."""
        twin = object.__new__(Population)
        twin._known, twin._attempts = self._known.copy(), self._attempts.copy()
        twin.viable, twin._at, twin._viable_at = self.viable.copy(), self._at.copy(), self._viable_at.copy()
        twin.children_of, twin._numbers = self.children_of.copy(), self._numbers.copy()
        return twin

    def _count(self, variant: Variant) -> None:
        for parent in _parents(variant):
            self.children_of[parent] += 1
            place = self._viable_at.get(parent)
            if place is not None:
                self._numbers[_CHILDREN, place] += 1

    def _write(self, place: int, variant: Variant) -> None:
        numbers = variant.score, variant.trials, variant.passed, self.children_of[variant.id]
        self._numbers[:, place] = numbers

    def _make_room(self) -> None:
        import numpy as np

        if len(self.viable) > self._numbers.shape[1]:
            self._numbers = np.concatenate([self._numbers, np.zeros_like(self._numbers)], axis=1)

    def __len__(self) -> int:
        return len(self._known) + len(self._attempts)

    def __iter__(self) -> Iterator[Variant]:
        return chain(self._known, self._attempts)

    @overload
    def __getitem__(self, place: int) -> Variant: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Variant]: ...
    def __getitem__(self, place: int | slice) -> Variant | Sequence[Variant]:
        if isinstance(place, slice):
            return [*self][place]
        place = range(len(self))[place]
        known = len(self._known)
        return self._known[place] if place < known else self._attempts[place - known]

    def __eq__(self, other: object) -> bool:
        return [*self] == [*other] if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it changes


def _parents(variant: Variant) -> Iterable[str]:
    parents = variant.parents
    return parents if len(parents) < 2 else dict.fromkeys(parents)
