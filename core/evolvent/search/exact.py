"""Exact search over a few thousand embeddings in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, np.dtype[np.float32]]

__all__ = ["ExactVectors", "owner"]


def owner(chunk_id: str) -> str:
    """Return the document in the id of a chunk; versions and numbers hold no "@"."""
    return chunk_id.rpartition("@")[0]


class ExactVectors:
    """Chunk id -> embedding of length 1, searched by one matrix product."""

    def __init__(self, rows: Iterable[tuple[str, Rows]] = ()) -> None:
        self._rows = dict(rows)
        self._matrix: tuple[Rows, list[str]] | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, rows: Iterable[tuple[str, Rows]]) -> None:
        """Add embeddings or replace them."""
        self._rows.update(rows)
        self._matrix = None

    def drop(self, chunk_ids: Iterable[str]) -> None:
        """Forget embeddings; unknown ids are ignored."""
        for chunk_id in chunk_ids:
            self._rows.pop(chunk_id, None)
        self._matrix = None

    def get(self, chunk_ids: Iterable[str]) -> Iterator[tuple[str, Rows]]:
        """Yield (chunk id, embedding)."""
        return ((chunk_id, self._rows[chunk_id]) for chunk_id in chunk_ids)

    def ranked(self, vector: Rows) -> Iterator[tuple[str, float]]:
        """Yield (document, cosine similarity of a chunk) for all chunks, best first."""
        import numpy as np

        if not self._rows:
            return
        if self._matrix is None:
            ids = sorted(self._rows)
            self._matrix = np.stack([self._rows[i] for i in ids]), [owner(i) for i in ids]
        rows, documents = self._matrix
        scores = rows @ vector
        for position in np.argsort(-scores, kind="stable"):
            yield documents[int(position)], float(scores[position])
