"""One ranking of two: by meaning and by words."""

from __future__ import annotations

from collections.abc import Sequence

from evolvent.search.config import RetrievalConfig

__all__ = ["fuse"]


def fuse(
    dense: Sequence[tuple[str, float]], lexical: Sequence[tuple[str, float]], config: RetrievalConfig
) -> dict[str, float]:
    """Return document -> fused score of two rankings, each as (document, score) with the best first.

    `rrf` adds `weight / (k + rank)` (Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet
    and individual Rank Learning Methods", SIGIR 2009); `weighted` adds `weight * score`, which both rankings give
    as shares of 1 (Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", 2023).
    """
    scores: dict[str, float] = {}
    for ranking, weight in ((dense, config.dense_weight), (lexical, config.lexical_weight)):
        if weight == 0:
            continue
        for rank, (doc_id, score) in enumerate(ranking, 1):
            part = 1.0 / (config.rrf_k + rank) if config.fusion == "rrf" else max(0.0, score)
            scores[doc_id] = scores.get(doc_id, 0.0) + weight * part
    return scores
