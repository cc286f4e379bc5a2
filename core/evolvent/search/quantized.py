"""Many embeddings in memory, a byte for each number: which documents are near a query, about as near as this.

Each row is scaled so that its largest number becomes 127. A product with 400,000 rows of 384 bytes takes half the time
and half the memory of half precision, since it only waits for memory. What comes out is right to about 0.003, so
the caller takes more candidates than it needs and scores those again with the rows as they are stored.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evolvent.search.threads import one_thread

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, np.dtype[np.float32]]
    Bytes = np.ndarray[Any, np.dtype[np.int8]]

__all__ = ["QuantizedRows"]

SPARE = 1.125
"""A matrix that is full grows to so many times what it must hold."""
BLOCK = 8_192
"""Rows that are made floats at once where torch is missing."""
ALIGN = 64
"""Rows and columns are filled up with zeros to a multiple of this: torch's product does not check its bounds."""


class QuantizedRows:
    """Document -> rows of length about 1."""

    def __init__(self) -> None:
        self._matrix: Bytes | None = None
        """(capacity, size), both filled up with zeros; only the first `_used` rows count."""
        self._size = 0
        self._scales: np.ndarray[Any, Any] | None = None
        """(capacity,) float32: what a row's bytes are multiplied by; 0 where its document was dropped."""
        self._owners: np.ndarray[Any, Any] | None = None
        """(capacity,) int32: number of the document of each row; -1 where it was dropped."""
        self._used = 0
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._starts, self._counts = array("i"), array("i")
        """Number of a document -> its first row, and how many it has."""

    def reserve(self, count: int, size: int) -> None:
        """Make room for `count` more rows of `size` numbers, without holes where there were some."""
        import numpy as np

        if self._matrix is not None and self._used + count <= len(self._matrix):
            return
        left = (
            np.zeros(0, np.int64) if self._owners is None else np.flatnonzero(self._owners[: self._used] >= 0)
        )
        self._size = size
        capacity = _aligned(int((len(left) + count) * SPARE) + 1024)
        matrix, scales = np.zeros((capacity, _aligned(size)), np.int8), np.zeros(capacity, np.float32)
        owners = np.full(capacity, -1, np.int32)
        if self._matrix is not None and self._scales is not None and self._owners is not None:
            for at in range(0, len(left), BLOCK):
                part = left[at : at + BLOCK]
                matrix[at : at + len(part)] = self._matrix[part]
            scales[: len(left)] = self._scales[left]
            self._renumber(self._owners[left], owners)
        self._matrix, self._scales, self._owners, self._used = matrix, scales, owners, len(left)

    def put(self, documents: Sequence[tuple[str, int]], rows: np.ndarray[Any, Any]) -> None:
        """Add documents or replace them.

        Args:
            documents: (document, how many of the rows are its own), in the rows' order.
            rows: (sum of the numbers, size) of length about 1.
        """
        import numpy as np

        for document, _ in documents:
            self.drop(document)
        self.reserve(len(rows), rows.shape[1])
        assert self._matrix is not None
        assert self._scales is not None
        assert self._owners is not None
        span = slice(self._used, self._used + len(rows))
        single = np.asarray(rows, dtype=np.float32)
        scales = np.abs(single).max(axis=1) / 127 if single.size else np.zeros(len(rows), np.float32)
        self._matrix[span, : self._size] = np.rint(single / np.maximum(scales, 1e-12)[:, None])
        self._scales[span] = scales
        for document, count in documents:
            number = len(self._names)
            self._names.append(document)
            self._numbers[document] = number
            self._starts.append(self._used)
            self._counts.append(count)
            self._owners[self._used : self._used + count] = number
            self._used += count

    def drop(self, document: str) -> None:
        """Forget a document; an unknown one is ignored."""
        number = self._numbers.pop(document, None)
        if number is not None and self._owners is not None and self._scales is not None:
            span = slice(self._starts[number], self._starts[number] + self._counts[number])
            self._owners[span] = -1
            self._scales[span] = 0.0

    def rows(self, document: str) -> Rows:
        """Return the rows of a document, each number right to half a 127th of the row's largest.

        Raises:
            KeyError: it is unknown.
        """
        import numpy as np

        assert self._matrix is not None
        assert self._scales is not None
        number = self._numbers[document]
        span = slice(self._starts[number], self._starts[number] + self._counts[number])
        found: Rows = self._matrix[span, : self._size].astype(np.float32) * self._scales[span, None]
        return found

    def near(self, vector: Rows, wanted: int) -> list[tuple[str, float]]:
        """Return (document, about the product of its best row) of `wanted` documents, or all, best first."""
        import numpy as np

        if self._matrix is None or self._scales is None or self._owners is None or not self._numbers:
            return []
        padded = np.pad(np.asarray(vector, dtype=np.float32), (0, self._matrix.shape[1] - self._size))
        scores = (
            _product(self._matrix[: _aligned(self._used)], padded)[: self._used] * self._scales[: self._used]
        )
        if len(self._numbers) < len(self._names):
            scores[self._owners[: self._used] < 0] = -np.inf
        take = min(self._used, 2 * wanted)
        while True:
            best = _largest(scores, take)
            best = best[np.lexsort((best, -scores[best]))]
            found: dict[str, float] = {}
            for place in best[self._owners[best] >= 0]:
                found.setdefault(self._names[self._owners[place]], float(scores[place]))
            if len(found) >= min(wanted, len(self._numbers)) or take == self._used:
                return list(found.items())[:wanted]
            take = min(self._used, 4 * take)

    def _renumber(self, old: np.ndarray[Any, Any], owners: np.ndarray[Any, Any]) -> None:
        """Give the documents that are left, whose rows are together, numbers in the order of their rows."""
        import numpy as np

        first = np.flatnonzero(np.diff(old, prepend=-1))
        counts = np.diff(first, append=len(old))
        owners[: len(old)] = np.repeat(np.arange(len(first), dtype=np.int32), counts)
        self._names = [self._names[number] for number in old[first]]
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self._starts, self._counts = array("i", first.tolist()), array("i", counts.tolist())


def _aligned(count: int) -> int:
    return -(-count // ALIGN) * ALIGN


def _product(matrix: Bytes, vector: Rows) -> Rows:
    """Return about matrix @ vector."""
    import numpy as np

    try:
        import torch

        # PyTorch has no public product of bytes and floats; this is the one that its own int8 models run on.
        kernel = torch.ops.aten._weight_int8pack_mm
        with one_thread():  # more only wait for each other: memory is what bounds it
            query = torch.from_numpy(np.asarray(vector, dtype=np.float32))[None].to(torch.bfloat16)
            ones = torch.ones(len(matrix), dtype=torch.bfloat16)
            found: Rows = kernel(query, torch.from_numpy(matrix), ones)[0].float().numpy()
    except (ImportError, AttributeError, RuntimeError):
        blocks = [matrix[at : at + BLOCK].astype(np.float32) @ vector for at in range(0, len(matrix), BLOCK)]
        return np.concatenate(blocks)
    return found


def _largest(scores: Rows, count: int) -> np.ndarray[Any, Any]:
    """Return the places of the `count` largest, in any order; torch finds them several times as fast."""
    import numpy as np

    try:
        import torch
    except ImportError:
        return np.argpartition(scores, len(scores) - count)[len(scores) - count :]
    places: np.ndarray[Any, Any] = torch.topk(torch.from_numpy(scores), count, sorted=False).indices.numpy()
    return places
