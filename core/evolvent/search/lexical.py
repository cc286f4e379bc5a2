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
        self._numbers: dict[str, int] = {}
        """Word -> number. Texts are kept as numbers: lists of words would take ten times the memory."""
        self._words: dict[str, np.ndarray[Any, Any]] = {}
        self._ids: list[str] = []
        self._tail: dict[str, Counter[int]] = {}
        self._postings: dict[int, dict[str, int]] = {}
        """Number of a word -> documents of the tail with how often it is in each."""
        self._gone: set[str] = set()
        self._bm25: Any = None
        self._mean_length = 1.0

    def put(self, doc_id: str, text: str) -> None:
        """Add a document or replace it."""
        import numpy as np

        self.drop(doc_id)
        numbers = [self._numbers.setdefault(word, len(self._numbers)) for word in tokens(text)]
        self._words[doc_id] = np.asarray(numbers, dtype=np.int32)
        self._tail[doc_id] = Counter(numbers)
        for number, count in self._tail[doc_id].items():
            self._postings.setdefault(number, {})[doc_id] = count

    def drop(self, doc_id: str) -> None:
        """Forget a document; unknown ids are ignored."""
        if self._words.pop(doc_id, None) is None:
            return
        counts = self._tail.pop(doc_id, None)
        if counts is None:
            self._gone.add(doc_id)
        for number in counts or ():
            del self._postings[number][doc_id]

    def top(self, query: str, depth: int) -> list[str]:
        """Return the ids of at most `depth` documents that share a word with the query, best first."""
        return [doc_id for doc_id, _ in self.scored(query, depth)]

    def scored(self, query: str, depth: int) -> list[tuple[str, float]]:
        """Return (document, BM25 as a share of what the query could reach at most), best first.

        No document can have more than the sum of the idf of the query's words, so the shares of different
        queries can be compared.
        """
        words = list(dict.fromkeys(tokens(query)))
        if not words or not self._words:
            return []
        if len(self._tail) + len(self._gone) > max(self._tail_min, self._tail_share * len(self._ids)):
            self._rebuild()
        scored = [*self._built_scores(words, depth), *self._tail_scores(words)]
        best = sorted(scored, key=lambda pair: (-pair[0], pair[1]))[:depth]
        most = sum(self.idf(word) for word in words)
        return [(doc_id, score / most) for score, doc_id in best]

    def _rebuild(self) -> None:
        import bm25s

        self._ids = sorted(self._words)
        self._tail, self._postings, self._gone = {}, {}, set()
        used = sorted({int(number) for words in self._words.values() for number in words})
        names = {number: word for word, number in self._numbers.items()}
        self._numbers = {names[number]: place for place, number in enumerate(used)}
        places = {number: place for place, number in enumerate(used)}
        for words in self._words.values():
            for at, number in enumerate(words):
                words[at] = places[int(number)]
        self._mean_length = sum(map(len, self._words.values())) / len(self._ids) or 1.0
        if not used:
            self._bm25 = None
            return
        self._bm25 = bm25s.BM25(k1=K1, b=B, method="lucene")
        corpus = [self._words[doc_id].tolist() for doc_id in self._ids]
        self._bm25.index((corpus, dict(self._numbers)), create_empty_token=False, show_progress=False)

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
        tail_mean = sum(counts.total() for counts in self._tail.values()) / len(self._tail)
        mean = self._mean_length if self._ids else tail_mean
        scores: dict[str, float] = {}
        for word in words:
            postings = self._postings.get(self._numbers.get(word, -1), {})
            weight = self.idf(word) if postings else 0.0
            for doc_id, count in postings.items():
                norm = K1 * (1 - B + B * self._tail[doc_id].total() / (mean or 1.0))
                scores[doc_id] = scores.get(doc_id, 0.0) + weight * count / (count + norm)
        yield from ((score, doc_id) for doc_id, score in scores.items())

    def idf(self, word: str) -> float:
        """Return how rare a word is: Lucene's idf over the built documents and the tail."""
        frequency = len(self._postings.get(self._numbers.get(word, -1), ()))
        if self._bm25 is not None and word in self._bm25.vocab_dict:
            column = self._bm25.vocab_dict[word]
            pointers = self._bm25.scores["indptr"]
            frequency += int(pointers[column + 1] - pointers[column])
        total = len(self._ids) + len(self._tail)
        return math.log(1 + (total - frequency + 0.5) / (frequency + 0.5))
