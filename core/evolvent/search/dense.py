"""Embeddings of chunks in an embedded Chroma: the persistent half of the index.

Chroma answers from its HNSW graph; while there are few chunks they are also held in memory and searched
exactly, which is faster and always the same. Chroma's own failures come out as `DamagedIndex`, so that the
caller can rebuild.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from evolvent.errors import EvolventError, MissingPrerequisite
from evolvent.search.exact import ExactVectors, owner
from evolvent.search.segments import SegmentStamp

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, np.dtype[np.float32]]

__all__ = ["ChromaVectors", "Chunk", "DamagedIndex"]

_log = logging.getLogger(__name__)

EXACT_LIMIT = 2_000
"""Chunks up to which search is exact and in memory; beyond it HNSW answers."""
HNSW: dict[str, Any] = {
    "space": "cosine",
    "max_neighbors": 16,
    "ef_construction": 100,
    "ef_search": 200,
    "num_threads": 1,
}
"""Measured with bench/retrieval.py: recall@5 above 0.98 at 10,000 skills. One thread keeps the graph the same
for the same order of insertion."""
LAYOUT = "1"
"""Grows when what is stored changes its meaning; another one on disk is rebuilt."""
CHUNKS_PER_DOCUMENT = 3
PROBE = 32
_PAGE = 500
_INVENTORY_PAGE = 5_000
_NOT_DAMAGE = {
    "(code: 5)": "busy",
    "(code: 8)": "read-only",
    "(code: 13)": "full",
    "(code: 14)": "unreachable",
}
"""SQLite's result codes for troubles that a rebuild would not mend."""


class DamagedIndex(EvolventError):
    """Chroma's folder cannot be used as it is; a rebuild from the documents mends it."""


class Chunk(NamedTuple):
    """One embedded piece: `number` of `total` pieces of this version of a document."""

    document: str
    version: str
    number: int
    total: int

    @property
    def id(self) -> str:
        """Its key in Chroma."""
        return f"{self.document}@{self.version}#{self.number}"


class ChromaVectors:
    """The chunks of one collection.

    Args:
        path: Chroma's folder, used by this collection alone.
        kind: the collection's name.
        embedder: name of the embedder; a collection of another one is emptied when it is opened.
    """

    def __init__(self, path: Path, kind: str, embedder: str) -> None:
        self._path, self._kind, self._embedder = path, kind, embedder
        self._stamp = SegmentStamp(path)
        self._client: Any = None
        self._collection: Any = None
        self._versions: dict[str, str] = {}
        self._chunk_ids: dict[str, list[str]] = {}
        self._memory: ExactVectors | None = ExactVectors()

    def exists(self) -> bool:
        """Whether there is a folder on disk or an open collection."""
        return self._collection is not None or self._path.exists()

    def versions(self) -> dict[str, str]:
        """Return document -> version of everything that is stored completely.

        Raises:
            DamagedIndex: the folder cannot be read.
            MissingPrerequisite: the folder is full, read-only or out of reach.
        """
        self._open()
        return dict(self._versions)

    def add(self, batch: Sequence[Chunk], rows: Rows) -> None:
        """Write the chunks of one or more whole documents.

        Raises:
            DamagedIndex: the folder cannot be written.
            MissingPrerequisite: the folder is full, read-only or out of reach.
        """
        self._open()
        with _chroma(self._path):
            for at in range(0, len(batch), _PAGE):
                part = batch[at : at + _PAGE]
                self._collection.upsert(
                    ids=[chunk.id for chunk in part],
                    embeddings=rows[at : at + _PAGE],
                    metadatas=[
                        {"document": c.document, "version": c.version, "number": c.number, "total": c.total}
                        for c in part
                    ],
                )
        self._stamp.update()
        for chunk in batch:
            self._versions[chunk.document] = chunk.version
            ids = self._chunk_ids.setdefault(chunk.document, [])
            if chunk.id not in ids:
                ids.append(chunk.id)
        if self._memory is not None:
            self._memory.put((chunk.id, row) for chunk, row in zip(batch, rows, strict=True))
            if len(self._memory) > EXACT_LIMIT:
                self._memory = None

    def drop(self, documents: Iterable[str]) -> None:
        """Remove all chunks of the documents.

        Raises:
            DamagedIndex: the folder cannot be written.
            MissingPrerequisite: the folder is full, read-only or out of reach.
        """
        self._open()
        gone = [chunk_id for doc in documents for chunk_id in self._chunk_ids.get(doc, ())]
        self._delete(gone)
        self._stamp.update()
        for doc in documents:
            self._versions.pop(doc, None)
            self._chunk_ids.pop(doc, None)

    def nearest(self, vector: Rows, depth: int) -> list[tuple[str, float]]:
        """Return (document, cosine similarity of its best chunk) of about `depth` documents, best first.

        Raises:
            DamagedIndex: the folder cannot be read.
        """
        self._open()
        best: dict[str, float] = {}
        for document, similarity in self._ranked(vector, depth):
            if document not in best:
                best[document] = similarity
                if len(best) == depth:
                    break
        return list(best.items())

    def similarities(self, vector: Rows, documents: Sequence[str]) -> dict[str, float]:
        """Return the cosine similarity of the best chunk of each document.

        Raises:
            DamagedIndex: the folder cannot be read.
        """
        self._open()
        found: dict[str, float] = {}
        ids = {chunk_id: doc for doc in documents for chunk_id in self._chunk_ids.get(doc, ())}
        for chunk_id, row in self._stored_rows(list(ids)):
            similarity = float(row @ vector)
            found[ids[chunk_id]] = max(similarity, found.get(ids[chunk_id], -1.0))
        return found

    def means(self, documents: Sequence[str]) -> dict[str, Rows]:
        """Return the mean of each document's embeddings.

        Raises:
            DamagedIndex: the folder cannot be read.
        """
        import numpy as np

        self._open()
        ids = {chunk_id: doc for doc in documents for chunk_id in self._chunk_ids.get(doc, ())}
        groups: dict[str, list[Rows]] = {}
        for chunk_id, row in self._stored_rows(list(ids)):
            groups.setdefault(ids[chunk_id], []).append(row)
        return {doc: np.mean(rows, axis=0, dtype=np.float32) for doc, rows in groups.items()}

    def close(self) -> None:
        """Close Chroma's client; the next call opens it again."""
        client, self._client = self._client, None
        if self._collection is not None:
            self._stamp.update()
        self._collection = None
        self._versions, self._chunk_ids, self._memory = {}, {}, ExactVectors()
        if client is not None:
            client.close()

    def move_aside(self) -> Path:
        """Put the folder away as `<name>.broken` (the last one is kept) and start with an empty one."""
        try:
            with _chroma(self._path):
                self.close()
        except (DamagedIndex, MissingPrerequisite) as error:
            _log.warning("the damaged index did not close cleanly: %s", error)
        _forget_client(self._path)
        broken = self._path.with_name(f"{self._path.name}.broken")
        if self._path.exists():
            shutil.rmtree(broken, ignore_errors=True)
            self._path.rename(broken)
        return broken

    def _ranked(self, vector: Rows, depth: int) -> Iterator[tuple[str, float]]:
        if self._memory is not None:
            yield from self._memory.ranked(vector)
            return
        total = sum(map(len, self._chunk_ids.values()))
        wanted = min(total, depth * CHUNKS_PER_DOCUMENT)
        with _chroma(self._path):
            # Without metadata: Chroma would look them up in SQLite, which costs more than the search.
            found = self._collection.query(query_embeddings=[vector], n_results=wanted, include=["distances"])
        if len(found["ids"][0]) < min(wanted, depth):
            raise DamagedIndex(
                f"{self._path.name}: {len(found['ids'][0])} of {wanted} wanted neighbours came back"
            )
        for chunk_id, distance in zip(found["ids"][0], found["distances"][0], strict=True):
            yield owner(chunk_id), 1.0 - float(distance)

    def _stored_rows(self, ids: list[str]) -> Iterator[tuple[str, Rows]]:
        import numpy as np

        if self._memory is not None:
            yield from self._memory.get(ids)
            return
        for at in range(0, len(ids), _PAGE):
            with _chroma(self._path):
                found = self._collection.get(ids=ids[at : at + _PAGE], include=["embeddings"])
            rows = np.asarray(found["embeddings"], dtype=np.float32)
            if len(rows) != len(ids[at : at + _PAGE]):
                raise DamagedIndex(
                    f"{self._path.name}: {len(rows)} of {len(ids)} stored embeddings came back"
                )
            yield from zip(found["ids"], rows, strict=True)

    def _delete(self, ids: list[str]) -> None:
        with _chroma(self._path):
            for at in range(0, len(ids), _PAGE):
                self._collection.delete(ids=ids[at : at + _PAGE])
        if self._memory is not None:
            self._memory.drop(ids)

    def _open(self) -> None:
        if self._collection is not None:
            return
        self._path.mkdir(parents=True, exist_ok=True)
        trouble = self._stamp.trouble()
        if trouble:
            raise DamagedIndex(f"{self._path.name}: {trouble}")
        try:
            with _chroma(self._path):
                self._connect()
                self._load_inventory()
            self._probe()
        except (DamagedIndex, MissingPrerequisite):
            self._collection = None
            raise
        self._stamp.update()

    def _connect(self) -> None:
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False)
        self._client = chromadb.PersistentClient(path=str(self._path), settings=settings)
        stamp = {"embedder": self._embedder, "layout": LAYOUT}
        names = {collection.name for collection in self._client.list_collections()}
        if self._kind in names:
            collection = self._client.get_collection(self._kind, embedding_function=None)
            if collection.metadata == stamp:
                self._collection = collection
                return
            _log.info("the index %r was written by %r; it is rebuilt", self._kind, collection.metadata)
            self._client.delete_collection(self._kind)
        self._collection = self._client.create_collection(
            self._kind, metadata=stamp, configuration={"hnsw": HNSW}, embedding_function=None
        )

    def _load_inventory(self) -> None:
        """Learn what is stored; chunks of documents that were written only in part are removed."""
        self._versions, self._chunk_ids, self._memory = {}, {}, None
        groups: dict[tuple[str, str, int], list[str]] = {}
        # In pages: SQLite takes at most 32,766 variables in one statement, one for each chunk.
        for offset in range(0, self._collection.count(), _INVENTORY_PAGE):
            stored = self._collection.get(limit=_INVENTORY_PAGE, offset=offset, include=["metadatas"])
            for chunk_id, meta in zip(stored["ids"], stored["metadatas"], strict=True):
                groups.setdefault((meta["document"], meta["version"], meta["total"]), []).append(chunk_id)
        partial: list[str] = []
        for (document, version, total), ids in groups.items():
            if len(ids) == total and document not in self._versions:
                self._versions[document] = version
                self._chunk_ids[document] = sorted(ids)
            else:
                partial += ids
        self._delete(partial)

    def _probe(self) -> None:
        """Read embeddings back: all of a small collection, a sample of a large one, and ask the graph."""
        import numpy as np

        ids = sorted(chunk_id for chunk_ids in self._chunk_ids.values() for chunk_id in chunk_ids)
        small = len(ids) <= EXACT_LIMIT
        sample = ids if small else ids[:: max(1, len(ids) // PROBE)]
        rows = dict(self._stored_rows(sample))
        lengths = np.asarray([np.linalg.norm(row) for row in rows.values()])
        if not np.all(np.isfinite(lengths)) or np.any(np.abs(lengths - 1) > 1e-2):
            raise DamagedIndex(f"{self._path.name}: stored embeddings are not what was written")
        if small:
            self._memory = ExactVectors(rows.items())
        elif ids:
            list(self._ranked(rows[sample[0]], 10))


@contextmanager
def _chroma(path: Path) -> Iterator[None]:
    """Turn whatever Chroma raises into a damaged index or a missing prerequisite."""
    try:
        yield
    except (EvolventError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        # pyo3's PanicException derives from BaseException, so that `except Exception` would miss it.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        text = " ".join(str(error).split())
        for code, what in _NOT_DAMAGE.items():
            if code in text or (what == "full" and "No space left" in text):
                raise MissingPrerequisite(
                    f"the index in {str(path)!r} is {what}: {text}", f"df -h {path}; ls -ld {path}"
                ) from error
        raise DamagedIndex(f"{path.name}: {type(error).__name__}: {text}") from error


def _forget_client(path: Path) -> None:
    """Drop Chroma's cached client of a path: a client that failed to start would be handed out again."""
    from chromadb.api.shared_system_client import SharedSystemClient

    SharedSystemClient._identifier_to_system.pop(str(path), None)
    SharedSystemClient._identifier_to_refcount.pop(str(path), None)
