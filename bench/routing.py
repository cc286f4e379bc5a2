"""How right routing is, beside description-only dense search and BM25 alone, in one run: prints JSON.

    python -m bench.routing [--seed 0] [--fit]

The set is `bench/routing_set.py`'s. Families are dealt into two halves: the thresholds of all three ways, and with
--fit the calibration that ships as the default of `RetrievalConfig`, come from the calibration half; everything
reported is of the other half, whose families nothing was fitted on. Ours abstains; the other two are also scored
without a threshold, which can only raise their Hit@1.

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
from pathlib import Path

import numpy as np
from scipy import stats
from scipy.optimize import minimize

from bench.routing_set import routing_set
from evolvent.library import Router
from evolvent.library.passages import passages
from evolvent.library.relevance import features
from evolvent.search import VectorIndex
from evolvent.search.config import FEATURES, Calibration
from evolvent.search.lexical import LexicalIndex
from evolvent_plugins.minilm import NAME, MiniLMEmbeddings

WRONG_ALLOWED = 0.03
"""Wrong activations on questions that no skill fits."""
LEVEL = 0.95
RIDGE = 1e-3
NONE_WEIGHT = 20.0
"""What a wrong activation costs against a missed skill."""


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


def judged(router, index, queries, pool):
    """Return for each query its candidates as (name, features), in the order of the fusion."""
    found = []
    for query in queries:
        hits = index.search(query.text, pool, router.config)
        skills = [router._store.get(hit.id) for hit in hits]
        found.append(
            [(h.id, f) for h, f in zip(hits, features(query.text, hits, skills, index.idf), strict=True)]
        )
    return found


def fit(queries, candidates):
    """Fit the conditional logit whose outside option is that no candidate is right; see `Calibration`."""
    choices = []
    for query, found in zip(queries, candidates, strict=True):
        names = [name for name, _ in found]
        if found and (not query.right or query.right in names):
            x = np.array([[1.0, *(values[f] for f in FEATURES)] for _, values in found])
            choices.append((x, names.index(query.right) if query.right else -1))

    def loss(beta):
        total, gradient = 0.0, np.zeros_like(beta)
        for x, right in choices:
            z = np.r_[0.0, x @ beta]
            p = np.exp(z - z.max())
            p /= p.sum()
            weight = 1.0 if right >= 0 else NONE_WEIGHT
            total -= weight * np.log(p[right + 1] + 1e-12)
            gradient += weight * (x.T @ p[1:] - (x[right] if right >= 0 else 0.0))
        penalty = RIDGE * np.r_[0.0, beta[1:]]
        return total / len(choices) + penalty @ beta, gradient / len(choices) + 2 * penalty

    beta = minimize(loss, np.zeros(len(FEATURES) + 1), jac=True, method="L-BFGS-B").x
    weights = {name: round(float(b), 3) for name, b in zip(FEATURES, beta[1:], strict=True)}
    return Calibration(intercept=round(float(beta[0]), 3), weights=weights)


def threshold_for(queries, rankings):
    """Return the lowest threshold at which wrong activations are rare with a margin.

    The margin: the one-sided upper 95 % bound of their share (Clopper and Pearson, Biometrika 1934) is at most
    `WRONG_ALLOWED`. It takes the questions for independent, though those of one family are not quite.
    """
    tops = sorted(
        (r[0][1] if r else -1.0 for q, r in zip(queries, rankings, strict=True) if not q.right), reverse=True
    )
    wrong = -1
    while wrong + 1 < len(tops) and stats.beta.ppf(LEVEL, wrong + 2, len(tops) - wrong - 1) <= WRONG_ALLOWED:
        wrong += 1
    if wrong < 0:
        raise SystemExit(f"{len(tops)} questions that no skill fits are too few to bound wrong activations")
    return round(tops[wrong] + 1e-4, 4)


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fit", action="store_true", help="fit the calibration and the threshold anew")
    args = parser.parse_args()
    data = routing_set(args.seed)
    embedder = MiniLMEmbeddings()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        index = VectorIndex(Path(folder), "skills", lambda: embedder, NAME)
        router = Router(Folderless(data.skills), index)
        router.refresh()
        indexed = time.perf_counter() - started
        figures = compare(args, data, router, index, embedder)
        index.close()
    figures |= {"skills": len(data.skills), "queries": len(data.queries), "index_seconds": round(indexed, 1)}
    figures |= {"no_right_skill": sum(not q.right for q in data.queries), "python": platform.python_version()}
    print(json.dumps({"routing": figures}, indent=2))


def compare(args, data, router, index, embedder):
    halves = {half: [q for q in data.queries if q.half == half] for half in ("calibration", "report")}
    candidates = {h: judged(router, index, qs, router.config.pool) for h, qs in halves.items()}
    config = router.config
    if args.fit:
        config = config.model_copy(
            update={"calibration": fit(halves["calibration"], candidates["calibration"])}
        )
    ways = {
        "ours": {
            h: [by_probability(c, config.calibration) for c in found] for h, found in candidates.items()
        },
        "description_dense": {
            h: by_description(data.skills, qs, index, embedder) for h, qs in halves.items()
        },
        "bm25": {h: by_words(data.skills, qs) for h, qs in halves.items()},
    }
    figures = {}
    for way, rankings in ways.items():
        threshold = threshold_for(halves["calibration"], rankings["calibration"])
        if way == "ours" and not args.fit:
            threshold = config.threshold
        figures[way] = {"threshold": threshold} | {
            half: scored(halves[half], rankings[half], threshold) for half in halves
        }
        figures[way]["without_threshold"] = scored(halves["report"], rankings["report"], -2.0)
    baselines = [figures[w]["without_threshold"]["hit_at_1"] for w in ("description_dense", "bm25")]
    figures["lead_in_hit_at_1_points"] = round(
        100 * (figures["ours"]["report"]["hit_at_1"] - max(baselines)), 1
    )
    if args.fit:
        figures["calibration"] = config.calibration.model_dump()
    return figures


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
