"""Which documents hold which words how often: immutable blocks of flat arrays, merged like Lucene's segments.

A block costs eight bytes for a posting (and none of Python's objects), is made by one sort, and merged with others in
linear time. A document is known by its row; rows of a later block are higher.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    Ints = np.ndarray[Any, np.dtype[np.int32]]
    Mask = np.ndarray[Any, np.dtype[np.bool_]]

__all__ = ["Postings", "count_words", "merge", "without"]


class Postings(NamedTuple):
    """Word -> documents, as compressed sparse columns."""

    words: Ints
    """(w,) numbers of words, ascending."""
    starts: Ints
    """(w + 1,) where the postings of each word start."""
    rows: Ints
    """(p,) rows of documents, ascending within a word."""
    counts: Ints
    """(p,) how often the word is in the document."""

    def of(self, word: int) -> tuple[Ints, Ints]:
        """Return the rows that hold a word, and how often each holds it."""
        # As the array's own type: for another one NumPy converts the whole array first.
        place = int(self.words.searchsorted(self.words.dtype.type(word)))
        if place == len(self.words) or self.words[place] != word:
            return self.rows[:0], self.counts[:0]
        span = slice(int(self.starts[place]), int(self.starts[place + 1]))
        return self.rows[span], self.counts[span]

    def words_of(self, rows: Mask) -> Ints:
        """Return the numbers of the words of the marked rows; a word once for each row that holds it."""
        import numpy as np

        hits = np.flatnonzero(rows[self.rows])
        found: Ints = self.words[np.searchsorted(self.starts, hits, side="right") - 1]
        return found


def count_words(words: Ints, rows: Ints) -> Postings:
    """Make a block.

    Args:
        words: (n,) the number of each word of each document.
        rows: (n,) the row of the document that the word is in.
    """
    import numpy as np

    keys = (words.astype(np.int64) << 32) | rows
    keys.sort()
    first = _first_of_each(keys)
    counts = np.diff(first, append=len(keys))
    keys = keys[first]
    numbers = (keys >> 32).astype(np.int32)
    starts = _first_of_each(numbers)
    return Postings(
        numbers[starts],
        np.append(starts, len(numbers)).astype(np.int32),
        (keys & 0xFFFFFFFF).astype(np.int32),
        counts.astype(np.int32),
    )


def without(block: Postings, rows: Mask, places: Ints, words: Ints) -> Postings:
    """Return a block without some rows, and with new numbers.

    Args:
        block: is left as it is.
        rows: marks those that stay.
        places: old row -> new row; must keep the order of those that stay.
        words: old number of a word -> new number; must keep the order of those that are left.
    """
    import numpy as np

    stay = rows[block.rows]
    columns = np.repeat(np.arange(len(block.words), dtype=np.int32), np.diff(block.starts))[stay]
    sizes = np.bincount(columns, minlength=len(block.words))
    return Postings(
        words[block.words[sizes > 0]],
        _starts(sizes[sizes > 0]),
        places[block.rows[stay]],
        block.counts[stay],
    )


def merge(blocks: Sequence[Postings]) -> Postings:
    """Make one block of some whose rows ascend from block to block."""
    import numpy as np

    words = np.unique(np.concatenate([block.words for block in blocks]))
    columns = [np.searchsorted(words, block.words) for block in blocks]
    sizes = np.zeros(len(words), np.int64)
    for block, own in zip(blocks, columns, strict=True):
        sizes[own] += np.diff(block.starts)
    starts = _starts(sizes)
    rows = np.empty(int(starts[-1]), np.int32)
    counts = np.empty_like(rows)
    free = starts[:-1].copy()
    for block, own in zip(blocks, columns, strict=True):
        lengths = np.diff(block.starts)
        target = np.repeat(free[own] - block.starts[:-1], lengths)
        target += np.arange(len(target), dtype=np.int32)
        rows[target], counts[target] = block.rows, block.counts
        free[own] += lengths
    return Postings(words.astype(np.int32), starts, rows, counts)


def _first_of_each(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return where each run of equal values starts."""
    import numpy as np

    return np.flatnonzero(np.concatenate(([len(values) > 0], values[1:] != values[:-1]))[: len(values)])


def _starts(sizes: np.ndarray[Any, Any]) -> Ints:
    import numpy as np

    return np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
