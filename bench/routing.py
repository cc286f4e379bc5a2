"""How right routing is, beside description-only dense search and BM25 alone, in one run: prints JSON.

    python -m bench.routing [--seeds 7 8] [--fit 0 1 2]

The set is `bench/routing_set.py`'s. Families are dealt into two halves, the same for every seed. The calibration and
the threshold that ship as defaults of `RetrievalConfig` come from the calibration halves of the seeds 0, 1 and 2
(`--fit 0 1 2`, see `bench/routing_fit.py`). What is reported is the other half, whose families nothing was fitted on,
of other seeds. Ours abstains; the other two are scored without a threshold, which can only raise their Hit@1.

- description-only dense: cosine with the description's embedding, as Voyager indexes its skills (Wang et al. 2023,
  "Voyager: An Open-Ended Embodied Agent with Large Language Models", section 2.2);
- BM25: over description, body and all examples of each skill.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.routing_fit import fitted, one_near_miss, without_near_misses
from bench.routing_set import routing_set
from evolvent.library import Router
from evolvent.library.passages import passages
from evolvent.library.relevance import features
from evolvent.search import VectorIndex
from evolvent.search.config import RetrievalConfig
from evolvent.search.lexical import LexicalIndex
from evolvent_plugins.minilm import NAME, MiniLMEmbeddings

DEEPER = 2
"""So many times the pool is looked at where near misses are then taken out."""


class Folderless:
    """The part of a store that the router uses, without folders."""

    revision = 1

    def __init__(self, skills):
        self._skills = {skill.name: skill for skill in skills}

    def changed_since(self, revision):
        return None

    def each(self):
        return self._skills.values()

    def get(self, name):
        return self._skills[name]


class Judged(NamedTuple):
    """A question with its candidates as (name, features), in the order of the fusion."""

    query: object
    candidates: list
    whole: bool = True
    """Whether no near misses were taken out."""


def judged(query, hits, store, idf, pool):
    """Judge the first candidates of a question."""
    hits = hits[:pool]
    values = features(query.text, hits, [store.get(hit.id) for hit in hits], idf)
    return Judged(query, [(hit.id, own) for hit, own in zip(hits, values, strict=True)])


def variants(query, hits, store, idf, pool):
    """Return a question as it is, and as in libraries with no near miss of its family and with only one.

    Fitted on the set alone, the weights would count on every skill's having near misses beside it.
    """
    found = [judged(query, hits, store, idf, pool)]
    if query.family != "small talk":
        for fewer in (without_near_misses, one_near_miss):
            found.append(judged(query, fewer(query, hits), store, idf, pool)._replace(whole=False))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seeds", type=int, nargs="*", default=[7, 8], help="sets whose other half is reported"
    )
    parser.add_argument(
        "--fit", type=int, nargs="*", default=[], help="sets to fit the calibration and threshold on"
    )
    args = parser.parse_args()
    embedder = MiniLMEmbeddings()
    config, figures = RetrievalConfig(), {"python": platform.python_version()}
    with tempfile.TemporaryDirectory() as folder:
        if args.fit:
            asked = []
            for seed in args.fit:
                with library(seed, Path(folder), embedder) as (data, index, store):
                    asked += calibration_questions(
                        data.queries, searched(data, index, config), store, index.idf, config.pool
                    )
            config = fitted(asked, config)
            figures["fitted"] = {
                "calibration": config.calibration.model_dump(),
                "threshold": config.threshold,
            }
        for seed in args.seeds:
            started = time.perf_counter()
            with library(seed, Path(folder), embedder) as (data, index, store):
                hits = searched(data, index, config)
                seconds = time.perf_counter() - started
                ways = {
                    "ours": ours(data.queries, hits, store, index.idf, config),
                    "description_dense": by_description(data.skills, data.queries, index, embedder),
                    "bm25": by_words(data.skills, data.queries),
                }
                figures[f"seed {seed}"] = compare(data, ways, config.threshold) | {
                    "seconds": round(seconds, 1)
                }
    print(json.dumps({"routing": figures}, indent=2))


@contextmanager
def library(seed, folder, embedder):
    """Give the set of a seed and its index; embeddings of texts that sets share are kept in the folder."""
    data = routing_set(seed)
    store = Folderless(data.skills)
    index = VectorIndex(folder, "skills", lambda: embedder, NAME)
    Router(store, index).refresh()
    yield data, index, store
    index.close()


def searched(data, index, config):
    return [index.search(query.text, DEEPER * config.pool, config) for query in data.queries]


def calibration_questions(queries, hits, store, idf, pool):
    """Return the questions of the calibration half in all `variants`."""
    return [
        variant
        for query, found in zip(queries, hits, strict=True)
        if query.half == "calibration"
        for variant in variants(query, found, store, idf, pool)
    ]


def ours(queries, hits, store, idf, config):
    found = [judged(query, own, store, idf, config.pool) for query, own in zip(queries, hits, strict=True)]
    return [by_probability(item.candidates, config.calibration) for item in found]


def compare(data, ways, threshold):
    """Return the figures of the report half, and of ours also with the families that ask in the same words."""
    figures = {"skills": len(data.skills), "questions": len(data.queries)}
    halves = {
        "report": ("report",),
        "calibration": ("calibration",),
        "report_and_same_wording": ("report", "same wording"),
    }
    for name, wanted in halves.items():
        chosen = [number for number, query in enumerate(data.queries) if query.half in wanted]
        queries = [data.queries[number] for number in chosen]
        rankings = {way: [own[number] for number in chosen] for way, own in ways.items()}
        figures[name] = {
            "questions": len(queries),
            "no_right_skill": sum(not query.right for query in queries),
            "ours": scored(queries, rankings["ours"], threshold),
            "hit_at_1_without_threshold": {
                way: scored(queries, own, -2.0)["hit_at_1"] for way, own in rankings.items()
            },
        }
    report = figures["report"]
    best = max(value for way, value in report["hit_at_1_without_threshold"].items() if way != "ours")
    figures["lead_in_hit_at_1_points"] = round(100 * (report["ours"]["hit_at_1"] - best), 1)
    return figures


def scored(queries, rankings, threshold):
    """Return the figures of rankings [(name, score), ...] under a threshold."""
    kept = [[name for name, score in ranking if score >= threshold] for ranking in rankings]
    fitting = [(q.right, k) for q, k in zip(queries, kept, strict=True) if q.right]
    none = [k for q, k in zip(queries, kept, strict=True) if not q.right]
    abstained = [not k for k in kept]
    should = [not q.right for q in queries]
    both = sum(a and s for a, s in zip(abstained, should, strict=True))
    return {
        "hit_at_1": share(right in k[:1] for right, k in fitting),
        "hit_at_5": share(right in k[:5] for right, k in fitting),
        "wrong_activations": share(bool(k) for k in none),
        "abstention_precision": round(both / max(1, sum(abstained)), 4),
        "abstention_recall": round(both / max(1, sum(should)), 4),
    }


def share(values):
    return round(statistics.mean(map(float, values)), 4)


def by_probability(candidates, calibration):
    ranked = [(name, calibration.probability(values)) for name, values in candidates]
    return sorted(ranked, key=lambda pair: -pair[1])


def by_description(skills, queries, index, embedder):
    rows = np.asarray(embedder.embed_documents([skill.description for skill in skills]), dtype=np.float32)
    rankings = []
    for query in queries:
        scores = rows @ index.embed_query(query.text)
        best = np.argsort(-scores, kind="stable")[:5]
        rankings.append([(skills[i].name, float(scores[i])) for i in best])
    return rankings


def by_words(skills, queries):
    words = LexicalIndex()
    for skill in skills:
        words.put(skill.name, "\n".join(passages(skill)))
    return [words.scored(query.text, 5) for query in queries]


if __name__ == "__main__":
    main()
