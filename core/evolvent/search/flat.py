"""Embeddings of large libraries: all of them are compared with the query, a byte for each number.

Chroma's graph of 100,000 skills takes more than 2 GB of memory and a millisecond for each chunk that is added. Here a
document more or less costs nothing. The rows lie in half precision in one SQLite file, a document a row. In memory are
their bytes (`quantized`), which say what is near; the nearest are scored again with the rows of the file, so that
what comes out are exact similarities.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evolvent.errors import MissingPrerequisite
from evolvent.search.dense import Chunk, DamagedIndex
from evolvent.search.quantized import QuantizedRows

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, np.dtype[np.float32]]

__all__ = ["FlatVectors"]

_log = logging.getLogger(__name__)

FILE = "flat.db"
LAYOUT = "1"
COLUMNS = "id, version, size, data, checksum"
PAGE = 1_000
"""Documents that are read at once."""
AGAIN = 2
"""Times as many documents as wanted are scored again with their stored rows."""
AGAIN_MOST = 1_000
"""Documents that are scored again at most; further ones, which only a narrow filter reaches, keep their score."""
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
        self._rows = QuantizedRows()
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
        order = [position for positions in groups.values() for position in positions]
        self._rows.put([(document, len(positions)) for document, positions in groups.items()], half[order])
        self._versions |= {document: version for document, version, *_ in values}

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
            self._rows.drop(document)
            del self._versions[document]

    def nearest(self, vector: Rows, depth: int) -> list[tuple[str, float]]:
        """Return (document, cosine similarity of its best chunk) of `depth` documents, best first.

        Raises:
            DamagedIndex: the file cannot be read.
        """
        self._open()
        near = self._rows.near(vector, AGAIN * depth)
        first = near[:AGAIN_MOST]
        scores = self.similarities(vector, [document for document, _ in first])
        ranked = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
        return [*ranked, *near[len(first) :]][:depth]

    def similarities(self, vector: Rows, documents: Sequence[str]) -> dict[str, float]:
        """Return the cosine similarity of the best chunk of each document.

        Raises:
            DamagedIndex: the file cannot be read.
        """
        import numpy as np

        known, starts, rows = self._stored(documents)
        best = np.maximum.reduceat(rows @ vector, starts) if known else ()
        return {document: float(score) for document, score in zip(known, best, strict=True)}

    def means(self, documents: Sequence[str]) -> dict[str, Rows]:
        """Return the mean of each document's embeddings.

        Raises:
            DamagedIndex: the file cannot be read.
        """
        import numpy as np

        known, starts, rows = self._stored(documents)
        return dict(zip(known, map(_mean, np.split(rows, starts[1:])), strict=True)) if known else {}

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

    def _stored(self, documents: Sequence[str]) -> tuple[list[str], list[int], Rows]:
        """Return those documents that are known, where the rows of each start, and all their rows from the file."""
        import numpy as np

        self._open()
        known = [document for document in dict.fromkeys(documents) if document in self._versions]
        found: dict[str, Any] = {}
        with self._sqlite() as connection:
            for at in range(0, len(known), PAGE):
                page = known[at : at + PAGE]
                query = f"SELECT {COLUMNS} FROM documents WHERE id IN ({','.join('?' * len(page))})"  # noqa: S608  # only marks
                found |= {row[0]: self._checked(*row) for row in connection.execute(query, page)}
        # Another process may have taken one out of the file since this one read it.
        rows = [found[document] if document in found else self._rows.rows(document) for document in known]
        starts = [0, *accumulate(map(len, rows))][: len(rows)]
        return known, starts, np.asarray(np.concatenate(rows) if rows else np.zeros((0, 1)), dtype=np.float32)

    def _checked(self, document: str, _version: str, size: int, data: bytes, checksum: int) -> Any:
        """Return a document's rows as they were written, (chunks, size) float16."""
        import numpy as np

        if zlib.crc32(data) != checksum or not data or len(data) % (2 * size):
            raise DamagedIndex(f"{self._path.name}: the embeddings of {document!r} are not what was written")
        return np.frombuffer(data, np.float16).reshape(-1, size)

    def _reset(self) -> None:
        self._rows, self._versions = QuantizedRows(), {}

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
        self._rows.reserve(int(total / size), size)
        cursor = connection.execute(f"SELECT {COLUMNS} FROM documents ORDER BY rowid")  # noqa: S608  # a constant
        while page := cursor.fetchmany(PAGE):
            rows = [self._checked(*row) for row in page]
            if any(own.shape[1] != size for own in rows):
                raise DamagedIndex(f"{self._path.name}: its embeddings have different lengths")
            counts = [(row[0], len(own)) for row, own in zip(page, rows, strict=True)]
            self._rows.put(counts, np.concatenate(rows))
            self._versions |= {row[0]: row[1] for row in page}

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
        except (sqlite3.Error, TypeError, ValueError, ArithmeticError) as error:
            text = " ".join(str(error).split())
            if isinstance(error, sqlite3.OperationalError) and any(t in text for t in _TROUBLES):
                raise MissingPrerequisite(
                    f"the index in {str(self._path)!r} cannot be written: {text}",
                    f"df -h {self._path}; ls -ld {self._path}",
                ) from error
            raise DamagedIndex(f"{self._path.name}: {type(error).__name__}: {text}") from error


def _mean(rows: Rows) -> Rows:
    mean: Rows = rows.mean(axis=0)
    return mean
