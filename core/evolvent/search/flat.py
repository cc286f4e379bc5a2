"""Embeddings of large libraries: exact search over all of them, in half precision.

Chroma's graph of 100,000 skills takes more than 2 GB of memory and a millisecond for each chunk that is added. One
product of a matrix of 400,000 rows of float16 with the query takes about 20 ms on one core, is exact, and a
document more or less costs nothing. The rows lie in one SQLite file, a document a row, and are read into one
matrix when it is opened.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evolvent.errors import MissingPrerequisite
from evolvent.search.dense import Chunk, DamagedIndex

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, np.dtype[np.float32]]

__all__ = ["FlatVectors"]

_log = logging.getLogger(__name__)

FILE = "flat.db"
LAYOUT = "1"
_TROUBLES = ("locked", "readonly", "disk is full", "unable to open")
"""Of SQLite's messages, those that a rebuild would not mend."""


class FlatVectors:
    """The embeddings of one collection; the same methods as `ChromaVectors`.

    Args:
        path: a folder, used by this collection alone.
        embedder: name of the embedder; rows of another one are dropped when it is opened.
    """

    def __init__(self, path: Path, embedder: str) -> None:
        self._path, self._embedder = path, embedder
        self._connection: sqlite3.Connection | None = None
        self._matrix: np.ndarray[Any, Any] | None = None
        """(capacity, size) float16; only the first `_used` rows count."""
        self._owners: np.ndarray[Any, Any] | None = None
        """(capacity,) int32: number of the document of each row; -1 where it was dropped."""
        self._used = self._dropped = 0
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._places: dict[int, tuple[int, int]] = {}
        self._versions: dict[str, str] = {}

    def exists(self) -> bool:
        """Whether there is a file on disk or an open collection."""
        return self._connection is not None or (self._path / FILE).exists()

    def versions(self) -> dict[str, str]:
        """Return document -> version of everything that is stored.

        Raises:
            DamagedIndex: the file cannot be read.
            MissingPrerequisite: it is locked, or the disk is full or out of reach.
        """
        self._open()
        return dict(self._versions)

    def add(self, batch: Sequence[Chunk], rows: Rows) -> None:
        """Write the chunks of one or more whole documents.

        Raises:
            DamagedIndex: the file cannot be written.
            MissingPrerequisite: it is locked, or the disk is full or out of reach.
        """
        import numpy as np

        self._open()
        groups: dict[str, list[int]] = {}
        for position, chunk in enumerate(batch):
            groups.setdefault(chunk.document, []).append(position)
        half = np.asarray(rows, dtype=np.float16)
        values = []
        for document, positions in groups.items():
            data = half[positions].tobytes()
            values.append((document, batch[positions[0]].version, half.shape[1], data, zlib.crc32(data)))
        with self._sqlite() as connection:
            connection.executemany("INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)", values)
        for document, positions in groups.items():
            self._forget(document)
            self._append(document, batch[positions[0]].version, half[positions])

    def drop(self, documents: Iterable[str]) -> None:
        """Remove documents; unknown ones are ignored.

        Raises:
            DamagedIndex: the file cannot be written.
            MissingPrerequisite: it is locked, or the disk is full or out of reach.
        """
        self._open()
        gone = [document for document in documents if document in self._versions]
        with self._sqlite() as connection:
            connection.executemany("DELETE FROM documents WHERE id = ?", [(document,) for document in gone])
        for document in gone:
            self._forget(document)

    def nearest(self, vector: Rows, depth: int) -> list[tuple[str, float]]:
        """Return (document, cosine similarity of its best chunk) of `depth` documents, best first.

        Raises:
            DamagedIndex: the file cannot be read.
        """
        import numpy as np

        self._open()
        if self._matrix is None or self._owners is None or not self._versions:
            return []
        scores = _product(self._matrix[: self._used], vector)
        scores[self._owners[: self._used] < 0] = -2.0
        wanted = min(len(scores), depth)
        while True:
            best: dict[str, float] = {}
            near = np.argpartition(-scores, wanted - 1)[:wanted]
            for position in near[np.lexsort((near, -scores[near]))]:
                if scores[position] >= -1.5:
                    best.setdefault(self._names[self._owners[position]], float(scores[position]))
            if len(best) >= min(depth, len(self._versions)) or wanted == len(scores):
                return list(best.items())[:depth]
            wanted = min(len(scores), wanted * 4)

    def similarities(self, vector: Rows, documents: Sequence[str]) -> dict[str, float]:
        """Return the cosine similarity of the best chunk of each document."""
        return {doc: float((rows @ vector).max()) for doc, rows in self._rows_of(documents)}

    def means(self, documents: Sequence[str]) -> dict[str, Rows]:
        """Return the mean of each document's embeddings."""
        return {doc: rows.mean(axis=0) for doc, rows in self._rows_of(documents)}

    def close(self) -> None:
        """Let go of the file and the memory. May be called twice."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._reset()

    def move_aside(self) -> Path:
        """Put the folder away as `<name>.broken` (the last one is kept) and start with an empty one."""
        try:
            self.close()
        except sqlite3.Error as error:
            _log.warning("the damaged index did not close cleanly: %s", error)
            self._connection = None
            self._reset()
        broken = self._path.with_name(f"{self._path.name}.broken")
        if self._path.exists():
            shutil.rmtree(broken, ignore_errors=True)
            self._path.rename(broken)
        return broken

    def _rows_of(self, documents: Sequence[str]) -> Iterator[tuple[str, Rows]]:
        import numpy as np

        self._open()
        for document in documents:
            number = self._numbers.get(document)
            if number is not None and self._matrix is not None:
                start, count = self._places[number]
                yield document, self._matrix[start : start + count].astype(np.float32)

    def _append(self, document: str, version: str, half: np.ndarray[Any, Any]) -> None:
        import numpy as np

        count, size = half.shape
        if self._matrix is None or self._owners is None:
            self._matrix = np.empty((max(1024, count), size), np.float16)
            self._owners = np.full(len(self._matrix), -1, np.int32)
        if self._used + count > len(self._matrix):
            self._compact(count)
        assert self._matrix is not None
        assert self._owners is not None
        number = len(self._names)
        self._names.append(document)
        self._numbers[document] = number
        self._places[number] = (self._used, count)
        self._matrix[self._used : self._used + count] = half
        self._owners[self._used : self._used + count] = number
        self._used += count
        self._versions[document] = version

    def _compact(self, extra: int) -> None:
        """Drop the holes, and make room for `extra` rows and an eighth more."""
        import numpy as np

        assert self._matrix is not None
        assert self._owners is not None
        names = list(self._versions)
        spans = [self._places[self._numbers[name]] for name in names]
        total = sum(count for _, count in spans)
        matrix = np.empty((int((total + extra) * 1.125) + 1024, self._matrix.shape[1]), np.float16)
        owners = np.full(len(matrix), -1, np.int32)
        at = 0
        self._places, self._numbers, self._names = {}, {}, names
        for number, (name, (start, count)) in enumerate(zip(names, spans, strict=True)):
            matrix[at : at + count] = self._matrix[start : start + count]
            owners[at : at + count] = number
            self._numbers[name], self._places[number] = number, (at, count)
            at += count
        self._matrix, self._owners, self._used = matrix, owners, at

    def _forget(self, document: str) -> None:
        number = self._numbers.pop(document, None)
        if number is not None and self._owners is not None:
            start, count = self._places.pop(number)
            self._owners[start : start + count] = -1
        self._versions.pop(document, None)

    def _reset(self) -> None:
        self._matrix = self._owners = None
        self._used = 0
        self._numbers, self._names, self._places, self._versions = {}, [], {}, {}

    def _open(self) -> None:
        if self._connection is not None:
            return
        self._path.mkdir(parents=True, exist_ok=True)
        try:
            with self._sqlite() as connection:
                self._prepare(connection)
                self._load(connection)
        except (DamagedIndex, MissingPrerequisite):
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            self._reset()
            raise

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE IF NOT EXISTS stamp (embedder TEXT, layout TEXT)")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS documents"
            " (id TEXT PRIMARY KEY, version TEXT, size INTEGER, data BLOB, checksum INTEGER)"
        )
        stamp = connection.execute("SELECT embedder, layout FROM stamp").fetchone()
        if stamp != (self._embedder, LAYOUT):
            connection.execute("DELETE FROM stamp")
            connection.execute("DELETE FROM documents")
            connection.execute("INSERT INTO stamp VALUES (?, ?)", (self._embedder, LAYOUT))

    def _load(self, connection: sqlite3.Connection) -> None:
        import numpy as np

        total, size = connection.execute("SELECT sum(length(data)) / 2, max(size) FROM documents").fetchone()
        if not total:
            return
        self._matrix = np.empty((int(total / size * 1.125) + 1024, size), np.float16)
        self._owners = np.full(len(self._matrix), -1, np.int32)
        query = "SELECT id, version, size, data, checksum FROM documents ORDER BY rowid"
        for document, version, width, data, checksum in connection.execute(query):
            if width != size or zlib.crc32(data) != checksum or len(data) % (2 * size):
                raise DamagedIndex(
                    f"{self._path.name}: the embeddings of {document!r} are not what was written"
                )
            self._append(document, version, np.frombuffer(data, np.float16).reshape(-1, size))

    @contextmanager
    def _sqlite(self) -> Iterator[sqlite3.Connection]:
        """One transaction; SQLite's troubles come out as a damaged index or a missing prerequisite."""
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(self._path / FILE, timeout=30, check_same_thread=False)
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._connection.execute("PRAGMA synchronous=NORMAL")
            with self._connection:
                yield self._connection
        except (sqlite3.Error, TypeError, ValueError) as error:
            text = " ".join(str(error).split())
            if isinstance(error, sqlite3.OperationalError) and any(t in text for t in _TROUBLES):
                raise MissingPrerequisite(
                    f"the index in {str(self._path)!r} cannot be written: {text}",
                    f"df -h {self._path}; ls -ld {self._path}",
                ) from error
            raise DamagedIndex(f"{self._path.name}: {type(error).__name__}: {text}") from error


def _product(matrix: np.ndarray[Any, Any], vector: Rows) -> np.ndarray[Any, Any]:
    """Return matrix @ vector in float32; torch multiplies halves without making floats of all of them first."""
    import numpy as np

    try:
        import torch
    except ImportError:
        blocks = [matrix[at : at + 8192].astype(np.float32) @ vector for at in range(0, len(matrix), 8192)]
        return np.concatenate(blocks)
    product = torch.from_numpy(matrix) @ torch.from_numpy(np.asarray(vector, dtype=np.float16))
    scores: np.ndarray[Any, Any] = product.numpy().astype(np.float32)
    return scores
