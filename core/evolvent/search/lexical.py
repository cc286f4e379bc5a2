"""BM25 over documents that come and go.

Scores are at any time those of the documents that are there: how rare a word is and how long documents are is never
taken from an older state. Postings lie in a few blocks of flat arrays (`postings`), and a query touches those of its
words only. What was added since the last search becomes a block at the next one; blocks of like size are merged, so
that there are few (the logarithmic merging of Lucene's segments: Lester, Moffat and Zobel, "Fast on-line index
construction by geometric partitioning", CIKM 2005). Removed documents are masked until they are many.
"""

from __future__ import annotations

import heapq
import math
import re
from array import array
from typing import TYPE_CHECKING, Any

from evolvent.search.postings import Postings, count_words, merge, without

if TYPE_CHECKING:
    import numpy as np

    from evolvent.search.postings import Ints

__all__ = ["LexicalIndex", "tokens"]

K1, B = 1.5, 0.75
"""The usual values, with Lucene's form of idf (Kamphuis et al. 2020, "Which BM25 do you mean?")."""
BLOCK_WORDS = 2_000_000
"""Words that wait at most before they become a block: what making one takes is bounded by it."""
GONE_MIN, GONE_SHARE = 64, 0.1
"""Removed documents are taken out when they are more than both, the share being of all documents."""
_WORD = re.compile(r"[^\W_]+")
_STOPWORDS = frozenset(
    re.findall(
        r"\w+",
        """a an and are as at be but by for if in into is it no not of on or such that the their then there
        these they this to was will with""",
    )
)
"""Lucene's English list."""


def tokens(text: str) -> list[str]:
    """Return the lower-case words and numbers of a text without the commonest English words."""
    return [word for word in _WORD.findall(text.lower()) if word not in _STOPWORDS]


class LexicalIndex:
    """Scores documents by their words."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        """Word -> number."""
        self._rows: dict[str, int] = {}
        """Document -> row; a document that is replaced gets a new one."""
        self._ids: list[str | None] = []
        """Row -> document; None where it is gone."""
        self._lengths = array("i")
        """Row -> words of the document."""
        self._total_length = 0
        self._blocks: list[Postings] = []
        self._waiting = array("i")
        """Numbers of the words of the rows that are in no block yet, one document after the other."""
        self._settled = 0
        """Rows that are in blocks."""
        self._unmasked: list[int] = []
        """Rows in blocks that are gone, and whose words still count."""
        self._frequencies: np.ndarray[Any, Any] | None = None
        """(words,) documents that hold each word."""
        self._here: np.ndarray[Any, Any] | None = None
        """(settled,) whether each row is there."""

    def put(self, doc_id: str, text: str) -> None:
        """Add a document or replace it."""
        self.drop(doc_id)
        numbers = self._numbers
        words = array("i", [numbers.setdefault(word, len(numbers)) for word in tokens(text)])
        self._rows[doc_id] = len(self._ids)
        self._ids.append(doc_id)
        self._lengths.append(len(words))
        self._total_length += len(words)
        self._waiting.extend(words)
        if len(self._waiting) > BLOCK_WORDS:
            self._settle()

    def drop(self, doc_id: str) -> None:
        """Forget a document; unknown ids are ignored."""
        row = self._rows.pop(doc_id, None)
        if row is None:
            return
        self._ids[row] = None
        self._total_length -= self._lengths[row]
        if row < self._settled:
            self._unmasked.append(row)

    def top(self, query: str, depth: int) -> list[str]:
        """Return the ids of at most `depth` documents that share a word with the query, best first."""
        return [doc_id for doc_id, _ in self.scored(query, depth)]

    def scored(self, query: str, depth: int) -> list[tuple[str, float]]:
        """Return (document, BM25 as a share of what the query could reach at most), best first.

        No document can have more than the sum of the idf of the query's words, so the shares of different
        queries can be compared. Equal ones are ordered by id.
        """
        words = list(dict.fromkeys(tokens(query)))
        if not words or not self._rows or depth < 1:
            return []
        import numpy as np

        self._settle()
        lengths = np.array(self._lengths, dtype=np.int32)  # a copy: a view would stop the array from growing
        mean = self._total_length / len(self._rows) or 1.0
        scores = np.zeros(len(self._ids))
        for word in words:
            number = self._numbers.get(word, -1)
            for block in self._blocks:
                rows, counts = block.of(number)
                norm = K1 * (1 - B + B * lengths[rows] / mean)
                scores[rows] += self.idf(word) * (counts / (counts + norm))
        if self._here is not None and len(self._rows) < len(self._ids):
            scores[~self._here] = 0.0
        best = self._best(scores, depth)
        most = math.fsum(self.idf(word) for word in words)
        return [(doc_id, score / most) for doc_id, score in best]

    def idf(self, word: str) -> float:
        """Return how rare a word is: Lucene's idf over all documents."""
        self._settle()
        number = self._numbers.get(word)
        frequency = 0 if number is None or self._frequencies is None else int(self._frequencies[number])
        return math.log(1 + (len(self._rows) - frequency + 0.5) / (frequency + 0.5))

    def _best(self, scores: np.ndarray[Any, Any], depth: int) -> list[tuple[str, float]]:
        """Return the best rows as (document, score); of those that are equal, the first by id."""
        import numpy as np

        found = np.flatnonzero(scores)
        if len(found) > depth:
            values = scores[found]
            least = np.partition(values, len(values) - depth)[len(values) - depth]
            found = found[values >= least]
        pairs = [(-float(scores[row]), str(self._ids[row])) for row in found]
        return [(doc_id, -score) for score, doc_id in heapq.nsmallest(depth, pairs)]

    def _settle(self) -> None:
        """Make a block of what was added, and stop counting what is gone."""
        if self._settled < len(self._ids):
            self._add_block()
        if self._unmasked:
            self._mask()
            gone = len(self._ids) - len(self._rows)
            if gone > max(GONE_MIN, GONE_SHARE * len(self._ids)):
                self._compact()

    def _add_block(self) -> None:
        import numpy as np

        here = np.array([doc_id is not None for doc_id in self._ids[self._settled :]], dtype=np.bool_)
        lengths = np.array(self._lengths[self._settled :], dtype=np.int32)
        places = np.repeat(np.arange(len(here), dtype=np.int32), lengths)
        words = np.array(self._waiting, dtype=np.int32)[here[places]]
        block = count_words(words, places[here[places]] + np.int32(self._settled))
        grown = np.zeros(len(self._numbers), np.int32)
        if self._frequencies is not None:
            grown[: len(self._frequencies)] = self._frequencies
        grown[block.words] += np.diff(block.starts)
        self._frequencies = grown
        self._here = here if self._here is None else np.concatenate((self._here, here))
        self._waiting, self._settled = array("i"), len(self._ids)
        if len(block.rows):
            self._blocks.append(block)
        while len(self._blocks) > 1 and len(self._blocks[-2].rows) < 2 * len(self._blocks[-1].rows):
            self._blocks[-2:] = [merge(self._blocks[-2:])]

    def _mask(self) -> None:
        import numpy as np

        assert self._here is not None
        assert self._frequencies is not None
        gone = np.zeros(self._settled, np.bool_)
        gone[self._unmasked] = True
        self._here &= ~gone
        for block in self._blocks:
            np.subtract.at(self._frequencies, block.words_of(gone), 1)
        self._unmasked = []

    def _compact(self) -> None:
        """Take out the rows that are gone and the words that no document holds, and number both anew."""
        import numpy as np

        assert self._here is not None
        assert self._frequencies is not None
        used = self._frequencies > 0
        words, rows = _ranks(used), _ranks(self._here)
        blocks = [without(block, self._here, rows, words) for block in self._blocks]
        self._blocks = [merge(blocks)] if self._rows and blocks else []
        self._numbers = {
            word: place
            for place, (word, _) in enumerate(
                pair for pair, stays in zip(self._numbers.items(), used, strict=True) if stays
            )
        }
        kept = [(row, doc_id) for row, doc_id in enumerate(self._ids) if doc_id is not None]
        self._lengths = array("i", [self._lengths[row] for row, _ in kept])
        self._ids = [doc_id for _, doc_id in kept]
        self._rows = {doc_id: row for row, (_, doc_id) in enumerate(kept)}
        self._settled, self._here = len(kept), np.ones(len(kept), np.bool_)
        self._frequencies = self._frequencies[used]


def _ranks(kept: np.ndarray[Any, Any]) -> Ints:
    """Return for each place how many before it are kept: its new number where it is kept itself."""
    import numpy as np

    return (np.cumsum(kept) - 1).astype(np.int32)
