"""Embeddings that were computed once, kept by content: a damaged or moved index is rebuilt without the embedder.

One row a text: the key is a hash of the embedder's name and the text, the value the embeddings of all its chunks as
float16 (an error of 1e-4 in a cosine), guarded by a checksum. It is only a cache: a file that SQLite cannot read is
deleted and started anew, and a row that fails its checksum is computed again.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, np.dtype[np.float32]]

__all__ = ["EmbeddingCache"]

_log = logging.getLogger(__name__)

LAYOUT = "1"
"""Grows when chunks are cut in another way; it is part of every key."""
_PAGE = 500


class EmbeddingCache:
    """Text -> the embeddings of its chunks.

    Args:
        path: the SQLite file; made on the first write.
        embedder: name of the embedder; part of every key.
    """

    def __init__(self, path: Path, embedder: str) -> None:
        self._path, self._embedder = path, embedder
        self._connection: sqlite3.Connection | None = None

    def get(self, texts: Sequence[str]) -> dict[str, Rows]:
        """Return text -> rows of length 1, for the texts that are known."""
        import numpy as np

        if self._connection is None and not self._path.exists():
            return {}
        keys = {self._key(text): text for text in texts}
        found: dict[str, Rows] = {}
        try:
            for part in _pages(list(keys)):
                marks = ",".join("?" * len(part))
                query = f"SELECT key, size, data, checksum FROM embeddings WHERE key IN ({marks})"  # noqa: S608  # only marks
                for key, size, data, checksum in self._open().execute(query, part):
                    if zlib.crc32(data) == checksum:
                        found[keys[key]] = (
                            np.frombuffer(data, np.float16).reshape(-1, size).astype(np.float32)
                        )
        except (sqlite3.DatabaseError, ValueError) as error:
            self._start_anew(error)
        return found

    def put(self, rows: Mapping[str, Rows]) -> None:
        """Keep the embeddings of texts; nothing is lost but time where they cannot be written."""
        import numpy as np

        values = []
        for text, chunk_rows in rows.items():
            data = np.asarray(chunk_rows, dtype=np.float16).tobytes()
            values.append((self._key(text), chunk_rows.shape[1], data, zlib.crc32(data)))
        try:
            with self._open() as connection:
                connection.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?)", values)
        except sqlite3.DatabaseError as error:
            self._start_anew(error)

    def close(self) -> None:
        """Close the file. May be called twice."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def delete(self) -> None:
        """Forget everything: delete the file."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def _key(self, text: str) -> bytes:
        head = f"{LAYOUT}\0{self._embedder}\0".encode()
        return hashlib.blake2b(head + text.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=30, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS embeddings"
                " (key BLOB PRIMARY KEY, size INTEGER, data BLOB, checksum INTEGER) WITHOUT ROWID"
            )
            self._connection = connection
        return self._connection

    def _start_anew(self, error: Exception) -> None:
        """Delete a file that cannot be used; one that is only busy or full stays."""
        if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
            _log.warning("the cache of embeddings is not used now: %s", error)
            return
        _log.warning("the cache of embeddings was damaged (%s) and starts anew", error)
        self.delete()


def _pages(keys: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    return (keys[at : at + _PAGE] for at in range(0, len(keys), _PAGE))
