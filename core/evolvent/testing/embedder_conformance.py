"""What every registered embedder must do; plugin authors call `check_embedder` in their tests.

`WordEmbeddings` is an embedder that needs no model, for tests in which meaning does not matter.
"""

from __future__ import annotations

import hashlib
import math
import re
from typing import TYPE_CHECKING

from langchain_core.embeddings import Embeddings

from evolvent.search.chunks import KnowsItsWindow

if TYPE_CHECKING:
    import numpy as np

__all__ = ["WordEmbeddings", "check_embedder"]


def check_embedder(embedder: Embeddings) -> None:
    """Check an embedder against its contract.

    It returns one vector for each text, all of one length, finite and not zero; the same text always gets the
    same vector, alone or among others, as a document or (for symmetric models) as a query; near texts are
    nearer than far ones; texts of any length and script are taken; and `split_text`, where it has one, loses
    nothing.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    near, same, far = (
        "Convert miles to kilometres.",
        "Convert miles to kilometres!",
        "The cat sleeps on a sofa.",
    )
    odd = ["", " ", "é漢字🙂", "x" * 5_000, "word " * 2_000, "line\nline\t\x00"]
    texts = [near, same, far, *odd]
    rows = embedder.embed_documents(texts)
    assert len(rows) == len(texts), f"{len(texts)} texts gave {len(rows)} vectors"
    sizes = {len(row) for row in rows}
    assert len(sizes) == 1, f"vectors have different lengths: {sorted(sizes)}"
    for text, row in zip(texts, rows, strict=True):
        assert all(math.isfinite(x) for x in row), f"the vector of {text[:20]!r} is not finite"
        assert not text.strip() or any(row), f"the vector of {text[:20]!r} is zero"
    assert embedder.embed_documents([]) == [], "no texts must give no vectors"
    alone = embedder.embed_documents([near])[0]
    assert _cosine(alone, rows[0]) > 0.999, "a text's vector depends on the texts beside it"
    assert len(embedder.embed_query(near)) == len(alone), "queries and documents have different lengths"
    assert _cosine(rows[0], rows[1]) > _cosine(rows[0], rows[2]), "a near text is not nearer than a far one"
    if isinstance(embedder, KnowsItsWindow):
        _check_split(embedder)


def _check_split(embedder: KnowsItsWindow) -> None:
    assert embedder.split_text("short") == ["short"], "a text that fits is one piece"
    words = [f"word{n}" for n in range(1_500)]
    text = " ".join(words)
    pieces = embedder.split_text(text)
    assert len(pieces) > 1, "a long text must be cut"
    joined = " ".join(pieces)
    lost = [word for word in words if word not in joined]
    assert not lost, f"split_text loses {lost[:3]}"


class WordEmbeddings(Embeddings):
    """Embeds a text as the sum of fixed random directions of its words: instant, and the same everywhere."""

    def __init__(self, size: int = 64) -> None:
        self._size = size
        self._directions: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
        self.calls = 0
        """Texts embedded so far."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector of length 1 for each text; a text without words gets a fixed one."""
        import numpy as np

        rows = []
        for text in texts:
            self.calls += 1
            words = re.findall(r"\w+", text.lower()) or [""]
            row = np.sum([self._direction(word) for word in words], axis=0)
            rows.append([float(x) for x in row / np.linalg.norm(row)])
        return rows

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of one text."""
        return self.embed_documents([text])[0]

    def _direction(self, word: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        import numpy as np

        if word not in self._directions:
            seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
            self._directions[word] = np.random.default_rng(seed).normal(size=self._size)
        return self._directions[word]


def _cosine(one: list[float], other: list[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / (math.hypot(*one) * math.hypot(*other) or 1.0)
