"""BM25 over documents that come and go.

bm25s scores 10,000 documents in well under a millisecond, but has to rebuild its matrix for every change. So
documents that were added since the last build are a short tail that is scored one by one with the statistics
of the build, and removed ones are masked; the matrix is rebuilt when the tail grows past a share of it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LexicalIndex", "tokens"]

K1, B = 1.5, 0.75
"""bm25s's defaults, with its method "lucene" (Kamphuis et al. 2020, "Which BM25 do you mean?")."""
_WORD = re.compile(r"[^\W_]+")
_STOPWORDS = frozenset(
    re.findall(
        r"\w+",
        """a an and are as at be but by for if in into is it no not of on or such that the their then there
        these they this to was will with""",
    )
)
"""Lucene's English list, which bm25s uses too."""


def tokens(text: str) -> list[str]:
    """Return the lower-case words and numbers of a text without the commonest English words."""
    return [word for word in _WORD.findall(text.lower()) if word not in _STOPWORDS]


class LexicalIndex:
    """Scores documents by their words."""

    def __init__(self, *, tail_min: int = 64, tail_share: float = 0.1) -> None:
        self._tail_min, self._tail_share = tail_min, tail_share
        self._words: dict[str, list[str]] = {}
        self._ids: list[str] = []
        self._tail: dict[str, Counter[str]] = {}
        self._gone: set[str] = set()
        self._bm25: Any = None
        self._mean_length = 1.0

    def put(self, doc_id: str, text: str) -> None:
        """Add a document or replace it."""
        self.drop(doc_id)
        self._words[doc_id] = tokens(text)
        self._tail[doc_id] = Counter(self._words[doc_id])

    def drop(self, doc_id: str) -> None:
        """Forget a document; unknown ids are ignored."""
        if self._words.pop(doc_id, None) is not None and self._tail.pop(doc_id, None) is None:
            self._gone.add(doc_id)

    def top(self, query: str, depth: int) -> list[str]:
        """Return the ids of at most `depth` documents that share a word with the query, best first."""
        words = list(dict.fromkeys(tokens(query)))
        if not words or not self._words:
            return []
        if len(self._tail) + len(self._gone) > max(self._tail_min, self._tail_share * len(self._ids)):
            self._rebuild()
        scored = [*self._built_scores(words, depth), *self._tail_scores(words)]
        return [doc_id for score, doc_id in sorted(scored, key=lambda pair: (-pair[0], pair[1]))[:depth]]

    def _rebuild(self) -> None:
        import bm25s

        self._ids = sorted(self._words)
        self._tail, self._gone = {}, set()
        corpus = [self._words[doc_id] or [""] for doc_id in self._ids]
        self._mean_length = sum(map(len, corpus)) / len(corpus)
        self._bm25 = bm25s.BM25(k1=K1, b=B, method="lucene")
        self._bm25.index(corpus, show_progress=False)

    def _built_scores(self, words: list[str], depth: int) -> Iterable[tuple[float, str]]:
        known = [word for word in words if self._bm25 is not None and word in self._bm25.vocab_dict]
        if not known:
            return
        import numpy as np

        scores: np.ndarray[Any, Any] = self._bm25.get_scores(known)
        wanted = min(depth + len(self._gone), len(scores))
        best = np.argpartition(-scores, wanted - 1)[:wanted]
        for position in best:
            doc_id = self._ids[int(position)]
            if scores[position] > 0 and doc_id not in self._gone:
                yield float(scores[position]), doc_id

    def _tail_scores(self, words: list[str]) -> Iterable[tuple[float, str]]:
        if not self._tail:
            return
        weights = {word: self._idf(word) for word in words}
        mean = (
            self._mean_length if self._ids else sum(c.total() for c in self._tail.values()) / len(self._tail)
        )
        for doc_id, counts in self._tail.items():
            norm = K1 * (1 - B + B * counts.total() / (mean or 1.0))
            score = sum(weights[w] * counts[w] / (counts[w] + norm) for w in words if w in counts)
            if score > 0:
                yield score, doc_id

    def _idf(self, word: str) -> float:
        """Lucene's idf over the built documents and the tail."""
        frequency = sum(word in counts for counts in self._tail.values())
        if self._bm25 is not None and word in self._bm25.vocab_dict:
            column = self._bm25.vocab_dict[word]
            pointers = self._bm25.scores["indptr"]
            frequency += int(pointers[column + 1] - pointers[column])
        total = len(self._ids) + len(self._tail)
        return math.log(1 + (total - frequency + 0.5) / (frequency + 0.5))
