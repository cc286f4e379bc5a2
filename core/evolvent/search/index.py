"""One searchable collection of texts: dense and lexical, fused, persistent and rebuildable.

Dense search goes over the embeddings of all chunks in Chroma, BM25 over whole documents. The two rankings are
fused by reciprocal rank with k = 60 (Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms
Condorcet and individual Rank Learning Methods", SIGIR 2009). The documents are the truth: whatever is wrong
with Chroma's folder, it is moved aside and built again from them.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from evolvent.errors import IntegrityError
from evolvent.search.chunks import chunks
from evolvent.search.dense import ChromaVectors, Chunk, DamagedIndex
from evolvent.search.lexical import LexicalIndex

if TYPE_CHECKING:
    import numpy as np
    from langchain_core.embeddings import Embeddings

__all__ = ["Document", "Hit", "VectorIndex"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

RRF_K = 60
DEPTH = 50
"""Documents of each ranking that enter the fusion."""
BATCH_CHUNKS = 256
"""Chunks that are embedded and written at once; what is written stays written when a long sync is stopped."""
QUERY_CACHE = 256
QUERY_CHUNKS = 4
"""Chunks of a long query that are averaged into its embedding."""


class Document(NamedTuple):
    """What `sync` takes; another version says that the text changed."""

    version: str
    text: str
    metadata: Mapping[str, str] = {}


class Hit(NamedTuple):
    """One found document: fused score, and the cosine similarity of its best chunk."""

    id: str
    score: float
    similarity: float


class VectorIndex:
    """A collection of documents that can be searched by meaning and by words.

    Args:
        folder: Chroma's folder; this collection lives in `folder/<kind>`, so that damage stays in one kind.
        kind: name of the collection, for example `skills` or `lessons`.
        embeddings: makes the embedder on first use; an index without documents never calls it.
        embedder: the embedder's name; an index that was written by another one is rebuilt.
    """

    def __init__(
        self, folder: Path, kind: str, embeddings: Callable[[], Embeddings], embedder: str = "default"
    ) -> None:
        self._make_embedder = embeddings
        self._embedder: Embeddings | None = None
        self._vectors = ChromaVectors(folder / kind, kind, embedder)
        self._lexical = LexicalIndex()
        self._documents: dict[str, Document] = {}
        self._queries: OrderedDict[str, np.ndarray[Any, Any]] = OrderedDict()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._documents)

    def sync(self, documents: Mapping[str, tuple[str, str, Mapping[str, str]]]) -> None:
        """Make the index hold exactly these documents, as id -> (version, text, metadata).

        Only the difference is embedded and written.

        Raises:
            IntegrityError: Chroma's folder is broken and cannot be rebuilt either.
            MissingPrerequisite: the embedder cannot be loaded.
        """
        wanted = {doc_id: Document(*document) for doc_id, document in documents.items()}
        with self._lock:
            for doc_id in self._documents.keys() - wanted.keys():
                self._lexical.drop(doc_id)
            for doc_id, document in wanted.items():
                known = self._documents.get(doc_id)
                if known is None or known.version != document.version:
                    self._lexical.put(doc_id, document.text)
            self._documents = wanted
            if wanted or self._vectors.exists():
                self._guarded(self._write_difference)

    def metadata(self, doc_id: str) -> Mapping[str, str]:
        """Return what came with a document; empty when there is none of this id."""
        document = self._documents.get(doc_id)
        return document.metadata if document else {}

    def search(self, query: str, limit: int = 5) -> list[Hit]:
        """Return at most `limit` documents, best first; without documents the embedder is not even loaded.

        Raises:
            IntegrityError: Chroma's folder is broken and cannot be rebuilt either.
            MissingPrerequisite: the embedder cannot be loaded.
        """
        with self._lock:
            if not self._documents or not query.strip() or limit < 1:
                return []
            vector = self.embed_query(query)
            depth = max(DEPTH, 2 * limit)
            dense = self._guarded(lambda: self._vectors.nearest(vector, depth))
            lexical = self._lexical.top(query, depth)
            scores: dict[str, float] = {}
            for ranking in ([doc_id for doc_id, _ in dense], lexical):
                for rank, doc_id in enumerate(ranking, 1):
                    scores[doc_id] = scores.get(doc_id, 0.0) + 1.0 / (RRF_K + rank)
            similarity = dict(dense)
            order = sorted(scores, key=lambda i: (-scores[i], -similarity.get(i, -1.0), i))[:limit]
            unseen = [doc_id for doc_id in order if doc_id not in similarity]
            if unseen:
                similarity |= self._guarded(lambda: self._vectors.similarities(vector, unseen))
            return [Hit(doc_id, scores[doc_id], similarity.get(doc_id, -1.0)) for doc_id in order]

    def embed_query(self, query: str) -> np.ndarray[Any, Any]:
        """Return the normalised embedding of a query; the last 256 different ones are remembered."""
        import numpy as np

        if query in self._queries:
            self._queries.move_to_end(query)
            return self._queries[query]
        embedder = self._load()
        pieces = chunks(query, embedder)[:QUERY_CHUNKS] or [query]
        rows = [embedder.embed_query(piece) for piece in pieces]
        mean = _unit(np.asarray(rows, dtype=np.float32)).mean(axis=0, keepdims=True)
        vector: np.ndarray[Any, Any] = _unit(mean)[0]
        self._queries[query] = vector
        if len(self._queries) > QUERY_CACHE:
            self._queries.popitem(last=False)
        return vector

    def close(self) -> None:
        """Let go of Chroma. May be called twice."""
        with self._lock:
            self._vectors.close()

    def _load(self) -> Embeddings:
        if self._embedder is None:
            self._embedder = self._make_embedder()
        return self._embedder

    def _write_difference(self) -> None:
        stored = self._vectors.versions()
        stale = [
            doc_id
            for doc_id, version in stored.items()
            if doc_id not in self._documents or self._documents[doc_id].version != version
        ]
        missing = [
            doc_id
            for doc_id, document in self._documents.items()
            if doc_id not in stored or stored[doc_id] != document.version
        ]
        self._vectors.drop(stale)
        batch: list[Chunk] = []
        for doc_id in missing:
            document = self._documents[doc_id]
            pieces = chunks(document.text, self._load()) or [doc_id]
            batch += [Chunk(doc_id, document.version, n, len(pieces), text) for n, text in enumerate(pieces)]
            if len(batch) >= BATCH_CHUNKS:
                self._write(batch)
                batch = []
        if batch:
            self._write(batch)

    def _write(self, batch: list[Chunk]) -> None:
        import numpy as np

        rows = self._load().embed_documents([chunk.text for chunk in batch])
        self._vectors.add(batch, _unit(np.asarray(rows, dtype=np.float32)))

    def _guarded(self, work: Callable[[], _T]) -> _T:
        """Do something with Chroma; when its folder is damaged, rebuild it and do it once more."""
        try:
            return work()
        except DamagedIndex as error:
            broken = self._vectors.move_aside()
            _log.warning("%s; it was moved to %s and is rebuilt from its documents", error, broken.name)
        try:
            self._write_difference()
            return work()
        except DamagedIndex as error:
            raise IntegrityError(
                f"the index {error} even after a rebuild; check the disk under EVOLVENT_HOME"
            ) from error


def _unit(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the rows scaled to length 1; zero rows stay zero."""
    import numpy as np

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: np.ndarray[Any, Any] = np.asarray(rows / np.maximum(lengths, 1e-12), dtype=np.float32)
    return unit
