"""One searchable collection of texts: dense and lexical, fused, persistent and rebuildable.

Dense search goes over the embeddings of all chunks, BM25 over whole documents; `fusion` makes one ranking of
both. The documents are the truth: whatever is wrong with what is stored, it is moved aside and built again from
them.
"""

from __future__ import annotations

import logging
import shutil
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from evolvent.errors import IntegrityError
from evolvent.search.chunks import chunks
from evolvent.search.config import RetrievalConfig
from evolvent.search.dense import ChromaVectors, Chunk, DamagedIndex
from evolvent.search.embedding_cache import EmbeddingCache
from evolvent.search.flat import FlatVectors
from evolvent.search.fusion import fuse
from evolvent.search.lexical import LexicalIndex

if TYPE_CHECKING:
    import numpy as np
    from langchain_core.embeddings import Embeddings

__all__ = ["Hit", "VectorIndex"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
Document = tuple[str, str, Mapping[str, str]]
"""Version, text and metadata."""

BATCH_DOCUMENTS = 64
"""Documents that are embedded and written at once; what is written stays written when a long sync is stopped."""
FLAT_FROM = 20_000
"""Documents from which all embeddings are searched exactly in half precision in place of Chroma's graph, which
would take more than a gigabyte."""
QUERY_CACHE = 256
QUERY_CHUNKS = 4
"""Chunks of a long query that are averaged into its embedding."""


class Hit(NamedTuple):
    """One found document."""

    id: str
    score: float
    """Fused; higher is better."""
    similarity: float
    """Cosine similarity of its best chunk."""
    words: float = 0.0
    """BM25 as a share of what the query could reach, in [0, 1]."""


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
        self._folder, self._kind, self._embedder_name = folder, kind, embedder
        self._vectors: ChromaVectors | FlatVectors = ChromaVectors(folder / kind, kind, embedder)
        self._cache = EmbeddingCache(folder / f"{kind}-embeddings.db", embedder)
        self._lexical = LexicalIndex()
        self._versions: dict[str, str] = {}
        self._texts: dict[str, bytes] = {}
        """Compressed: of a large library the plain texts would take more memory than the index."""
        self._metadata: dict[str, Mapping[str, str]] = {}
        self._queries: OrderedDict[str, np.ndarray[Any, Any]] = OrderedDict()
        self._compared = False
        """Whether what is stored was compared with the documents; from then on only changes are written."""
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._versions)

    def sync(self, documents: Mapping[str, Document] | Iterable[tuple[str, Document]]) -> None:
        """Make the index hold exactly these documents.

        Only the difference is embedded and written.

        Args:
            documents: id -> (version, text, metadata); pairs are taken one at a time, so that the texts of a large
                library need not be in memory together.

        Raises:
            IntegrityError: what is stored is broken and cannot be rebuilt either.
            MissingPrerequisite: the embedder cannot be loaded.
        """
        with self._lock, self._comparing_after_failure():
            kept: set[str] = set()
            changed = self._take(_pairs(documents), kept)
            self._settle(changed, self._release(self._versions.keys() - kept))

    def update(
        self, documents: Mapping[str, Document] | Iterable[tuple[str, Document]], gone: Iterable[str] = ()
    ) -> None:
        """Add or replace these documents and forget those that are gone; all others stay as they are.

        Raises:
            IntegrityError: what is stored is broken and cannot be rebuilt either.
            MissingPrerequisite: the embedder cannot be loaded.
        """
        with self._lock, self._comparing_after_failure():
            dropped = self._release(gone)
            self._settle(self._take(_pairs(documents), set()), dropped)

    @contextmanager
    def _comparing_after_failure(self) -> Iterator[None]:
        """After changes that were broken off, what is stored is compared anew the next time."""
        try:
            yield
        except BaseException:
            self._compared = False
            raise

    def _take(self, documents: Iterable[tuple[str, Document]], seen: set[str]) -> list[str]:
        """Take documents over and note all their ids; returns those that are new or have changed."""
        changed = []
        for doc_id, (version, text, metadata) in documents:
            seen.add(doc_id)
            if metadata:
                self._metadata[doc_id] = metadata
            else:
                self._metadata.pop(doc_id, None)
            if self._versions.get(doc_id) != version:
                self._versions[doc_id] = version
                self._texts[doc_id] = zlib.compress(text.encode("utf-8", "surrogatepass"), 1)
                self._lexical.put(doc_id, text)
                changed.append(doc_id)
        return changed

    def _release(self, gone: Iterable[str]) -> list[str]:
        dropped = [doc_id for doc_id in list(gone) if self._versions.pop(doc_id, None) is not None]
        for doc_id in dropped:
            self._lexical.drop(doc_id)
            del self._texts[doc_id]
            self._metadata.pop(doc_id, None)
        return dropped

    def _settle(self, changed: list[str], dropped: list[str]) -> None:
        self._choose_vectors()
        if not self._versions and not self._vectors.exists():
            return
        if self._compared:
            self._guarded(lambda: self._write(changed, [*changed, *dropped]))
        else:
            self._guarded(self._write_difference)
            self._compared = True

    def metadata(self, doc_id: str) -> Mapping[str, str]:
        """Return what came with a document; empty when there is none of this id."""
        return self._metadata.get(doc_id, {})

    def search(
        self,
        query: str,
        limit: int = 5,
        config: RetrievalConfig | None = None,
        allowed: Callable[[str], bool] | None = None,
    ) -> list[Hit]:
        """Return at most `limit` documents, best first; without documents the embedder is not even loaded.

        Args:
            query: what is looked for.
            limit: documents at most.
            config: weights and depth of the fusion; default: those of `RetrievalConfig`.
            allowed: which documents count; more candidates are looked at until `limit` of them are found.

        Raises:
            IntegrityError: what is stored is broken and cannot be rebuilt either.
            MissingPrerequisite: the embedder cannot be loaded.
        """
        config = config or RetrievalConfig()
        with self._lock:
            if not self._versions or not query.strip() or limit < 1:
                return []
            vector = self.embed_query(query)
            depth = max(config.depth, 2 * limit)
            while True:
                dense = self._guarded(partial(self._nearest, vector, depth))
                lexical = self._lexical.scored(query, depth)
                exhausted = depth >= len(self._versions)
                if allowed is not None:
                    dense = [pair for pair in dense if allowed(pair[0])]
                    lexical = [pair for pair in lexical if allowed(pair[0])]
                scores = fuse(dense, lexical, config)
                if len(scores) >= limit or exhausted or allowed is None:
                    break
                depth *= 4
            similarity, words = dict(dense), dict(lexical)
            order = sorted(scores, key=lambda i: (-scores[i], -similarity.get(i, -1.0), i))[:limit]
            unseen = [doc_id for doc_id in order if doc_id not in similarity]
            if unseen:
                similarity |= self._guarded(lambda: self._vectors.similarities(vector, unseen))
            return [
                Hit(doc_id, scores[doc_id], similarity.get(doc_id, -1.0), words.get(doc_id, 0.0))
                for doc_id in order
            ]

    def _nearest(self, vector: np.ndarray[Any, Any], depth: int) -> list[tuple[str, float]]:
        return self._vectors.nearest(vector, depth)

    def idf(self, word: str) -> float:
        """Return how rare a word is among the documents (Lucene's inverse document frequency)."""
        with self._lock:
            return self._lexical.idf(word)

    def alike(self, doc_ids: Sequence[str]) -> np.ndarray[Any, Any]:
        """Return the cosine similarities between documents, each taken as the mean of its chunks: (n, n)."""
        import numpy as np

        with self._lock:
            rows = self._guarded(lambda: self._vectors.means(doc_ids))
        unit = _unit(np.stack([rows[doc_id] for doc_id in doc_ids]))
        similarities: np.ndarray[Any, Any] = unit @ unit.T
        return similarities

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

    def drop(self, cold: bool = False) -> None:
        """Delete what is stored, so that the next `sync` builds it anew.

        Args:
            cold: the remembered embeddings too; then everything is embedded again.
        """
        with self._lock:
            self.close()
            for name in (self._kind, f"{self._kind}-flat"):
                shutil.rmtree(self._folder / name, ignore_errors=True)
            if cold:
                self._cache.delete()
            self._vectors = ChromaVectors(self._folder / self._kind, self._kind, self._embedder_name)
            self._lexical = LexicalIndex()
            self._versions, self._texts, self._metadata, self._compared = {}, {}, {}, False

    def close(self) -> None:
        """Let go of all files. May be called twice."""
        with self._lock:
            self._vectors.close()
            self._cache.close()

    def _load(self) -> Embeddings:
        if self._embedder is None:
            self._embedder = self._make_embedder()
        return self._embedder

    def _choose_vectors(self) -> None:
        """Go over to exact search in half precision when there are many documents."""
        if len(self._versions) > FLAT_FROM and isinstance(self._vectors, ChromaVectors):
            self._vectors.close()
            self._vectors = FlatVectors(self._folder / f"{self._kind}-flat", self._embedder_name)
            self._compared = False

    def _write_difference(self) -> None:
        """Compare all that is stored with the documents, and write what differs."""
        stored = self._vectors.versions()
        stale = [doc_id for doc_id, version in stored.items() if self._versions.get(doc_id) != version]
        missing = [doc_id for doc_id, version in self._versions.items() if stored.get(doc_id) != version]
        self._write(missing, stale)

    def _write(self, changed: Sequence[str], stale: Sequence[str]) -> None:
        self._vectors.drop(stale)
        for at in range(0, len(changed), BATCH_DOCUMENTS):
            page = changed[at : at + BATCH_DOCUMENTS]
            texts = {doc_id: self._text(doc_id) for doc_id in page}
            rows = self._embedded(list(texts.values()))
            self._add({doc_id: rows[text] for doc_id, text in texts.items()})

    def _add(self, rows: Mapping[str, np.ndarray[Any, Any]]) -> None:
        import numpy as np

        batch = [
            Chunk(doc_id, self._versions[doc_id], number, len(own))
            for doc_id, own in rows.items()
            for number in range(len(own))
        ]
        if batch:
            self._vectors.add(batch, np.concatenate(list(rows.values())))

    def _embedded(self, texts: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
        """Return text -> the embeddings of its chunks, from the cache where it has them."""
        import numpy as np

        found = self._cache.get(texts)
        pieces = {
            text: chunks(text, self._load()) or [text] for text in dict.fromkeys(texts) if text not in found
        }
        if not pieces:
            return found
        flat = [piece for own in pieces.values() for piece in own]
        rows = _unit(np.asarray(self._load().embed_documents(flat), dtype=np.float32))
        ends = np.cumsum([len(own) for own in pieces.values()])[:-1]
        new = dict(zip(pieces, np.split(rows, ends), strict=True))
        self._cache.put(new)
        return found | new

    def _text(self, doc_id: str) -> str:
        return zlib.decompress(self._texts[doc_id]).decode("utf-8", "surrogatepass")

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


def _pairs(
    documents: Mapping[str, Document] | Iterable[tuple[str, Document]],
) -> Iterable[tuple[str, Document]]:
    return documents.items() if isinstance(documents, Mapping) else documents


def _unit(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the rows scaled to length 1; zero rows stay zero."""
    import numpy as np

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: np.ndarray[Any, Any] = np.asarray(rows / np.maximum(lengths, 1e-12), dtype=np.float32)
    return unit
