"""How fast and how right retrieval is: prints JSON.

    python bench/retrieval.py [--skills 10000] [--queries 250] [--real]

A build embeds everything (cold); a rebuild from the cache has lost its index but not the embeddings.

Skills are made of topics, so that neighbours are near and hard to tell apart. Without --real the embedder is the
instant one of `evolvent.testing`, since 10,000 skills take the default embedder half an hour on one core; --real uses
the default embedder and is meant for a few hundred skills.
"""

import argparse
import json
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from evolvent.search.dense import EXACT_LIMIT, HNSW
from evolvent.search.exact import ExactVectors
from evolvent.search.flat import FlatVectors
from evolvent.search.index import VectorIndex
from evolvent.testing.embedder_conformance import WordEmbeddings

TOPIC_WORDS = 40
BODY_WORDS = 60


def make_skills(count, seed=0, keep=None):
    """Return skill texts: name, description, body, and two example questions as passages of their own."""
    rng = random.Random(seed)
    common = [f"common{n}" for n in range(300)]
    topics = [[f"topic{t}word{n}" for n in range(TOPIC_WORDS)] for t in range(max(5, count // 20))]
    documents = {}
    for number in range(count):
        topic = topics[number % len(topics)]
        body = rng.choices(topic, k=BODY_WORDS // 2) + rng.choices(common, k=BODY_WORDS // 2)
        rng.shuffle(body)
        examples = [" ".join(rng.choices(topic, k=8) + rng.choices(common, k=4)) for _ in range(2)]
        text = f"skill {number}\n{' '.join(body)}\f" + "\f".join(examples)
        documents[f"skill-{number}"] = ("1", text, {})
    return dict(list(documents.items())[:keep])


def make_queries(documents, count, seed=1):
    """Return questions that share most of their words with one example each."""
    rng = random.Random(seed)
    queries = []
    for name in rng.sample(sorted(documents), count):
        words = documents[name][1].split("\f")[1].split()
        queries.append(" ".join(rng.sample(words, 9)))
    return queries


def percentile(values, share):
    return round(sorted(values)[min(len(values) - 1, int(share * len(values)))] * 1000, 3)


OPEN = """
import sys
from pathlib import Path
from bench.retrieval import make_skills
from evolvent.search import VectorIndex
from evolvent_plugins.minilm import MiniLMEmbeddings
index = VectorIndex(Path(sys.argv[1]), "skills", MiniLMEmbeddings, "bench")
index.sync(make_skills(int(sys.argv[2]) + 100, keep=int(sys.argv[2])))
index.search(sys.argv[3])
with open("/proc/self/status") as file:
    print(next(round(int(line.split()[1]) / 1024) for line in file if line.startswith("VmRSS")))
"""


def resident_of_a_process_of_its_own(folder, count, query):
    """Return the memory in MB of a process that has opened the index and the default embedder, and searched."""
    command = [sys.executable, "-c", OPEN, str(folder), str(count), query]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    return int(done.stdout)


def timed_searches(index, queries):
    for query in queries:
        index.embed_query(query)
    found, seconds = [], []
    for query in queries:
        started = time.perf_counter()
        hits = index.search(query, 5)
        seconds.append(time.perf_counter() - started)
        found.append([hit.id for hit in hits])
    return found, seconds


def overlap(found, exact):
    shares = [len(set(a) & set(b)) / len(b) for a, b in zip(found, exact, strict=True)]
    return round(statistics.mean(shares), 4)


def dense_top(index, queries):
    return [[d for d, _ in index._vectors.nearest(index.embed_query(q), 50)][:5] for q in queries]


def measure(folder, args, embedder):
    documents = make_skills(args.skills + 100)
    first = dict(list(documents.items())[: args.skills])
    queries = make_queries(first, min(args.queries, args.skills, 256))
    index = VectorIndex(folder, "skills", lambda: embedder, "bench")
    started = time.perf_counter()
    index.sync(first)
    build = time.perf_counter() - started
    index.search(queries[0])
    found, seconds = timed_searches(index, queries)
    dense_found = dense_top(index, queries)
    adds, after_adds = [], []
    for name in list(documents)[args.skills :]:
        started = time.perf_counter()
        index.update({name: documents[name]})
        adds.append(time.perf_counter() - started)
        started = time.perf_counter()
        index.search(queries[0])
        after_adds.append(time.perf_counter() - started)
    index.sync(first)
    index.close()
    again = VectorIndex(folder, "skills", lambda: embedder, "bench")
    started = time.perf_counter()
    again.sync(first)
    again.search(queries[0])
    reopen = time.perf_counter() - started
    vectors = again._vectors
    if isinstance(vectors, FlatVectors):
        chunks = vectors._used
        exact, exact_seconds, dense_exact = found, seconds, dense_found
    else:
        ids = [chunk_id for chunk_ids in vectors._chunk_ids.values() for chunk_id in chunk_ids]
        chunks = len(ids)
        vectors._memory = ExactVectors(vectors._stored_rows(ids))
        exact, exact_seconds = timed_searches(again, queries)
        dense_exact = dense_top(again, queries)
    again.close()
    rss = resident_of_a_process_of_its_own(folder, args.skills, queries[0])
    for name in ("skills", "skills-flat"):
        shutil.rmtree(folder / name, ignore_errors=True)
    cached = VectorIndex(folder, "skills", lambda: embedder, "bench")
    started = time.perf_counter()
    cached.sync(first)
    cached.search(queries[0])
    rebuild = time.perf_counter() - started
    cached.close()
    return {
        "skills": args.skills,
        "chunks": chunks,
        "search_ms_p50": percentile(seconds, 0.5),
        "search_ms_p95": percentile(seconds, 0.95),
        "recall_at_5_dense": overlap(dense_found, dense_exact),
        "recall_at_5_fused": overlap(found, exact),
        "exact_search_ms_p50": percentile(exact_seconds, 0.5),
        "add_ms_p50": percentile(adds, 0.5),
        "add_ms_p95": percentile(adds, 0.95),
        "search_after_add_ms_p50": percentile(after_adds, 0.5),
        "build_seconds": round(build, 2),
        "build_skills_per_second": round(args.skills / build, 1),
        "reopen_seconds": round(reopen, 2),
        "rebuild_from_cache_skills_per_second": round(args.skills / rebuild, 1),
        "resident_mb_reopened": rss,
        "max_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--skills", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=250)
    parser.add_argument("--real", action="store_true")
    args = parser.parse_args()
    embedder = WordEmbeddings(size=384)
    if args.real:
        from evolvent_plugins.minilm import MiniLMEmbeddings

        embedder = MiniLMEmbeddings()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), args, embedder)
    figures |= {"embedder": "minilm" if args.real else "words", "hnsw": HNSW, "exact_limit": EXACT_LIMIT}
    figures |= {"python": platform.python_version()}
    print(json.dumps({"retrieval": figures}, indent=2))


if __name__ == "__main__":
    main()
