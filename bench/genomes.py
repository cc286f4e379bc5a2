"""How fast the store of agent programs is as it grows: prints JSON.

    python bench/genomes.py [--variants 10000] [--durable]

Every variant is the seed with one file changed, the child of an earlier one, as in a run of evolution. Without
--durable nothing is forced to the disk, so that the figures are those of the store and not of the disk. `from_disk_ms`
is the reading of a program that is not among the recent ones.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

from evolvent.graphs.genome import seed_genome
from evolvent.storage import GenomeStore


def spread(seconds):
    ordered = sorted(seconds)
    return {
        "p50_ms": round(statistics.median(ordered) * 1000, 3),
        "p95_ms": round(ordered[int(len(ordered) * 0.95)] * 1000, 3),
    }


def timed(work, arguments):
    took = []
    for argument in arguments:
        begin = time.perf_counter()
        work(argument)
        took.append(time.perf_counter() - begin)
    return spread(took)


def size_on_disk(path):
    return sum(entry.stat().st_blocks * 512 for entry in path.rglob("*"))


def measure(count, durable):
    rng = random.Random(0)
    seed = seed_genome()
    paths = sorted(seed)
    with tempfile.TemporaryDirectory() as folder:
        store = GenomeStore(Path(folder) / "genomes.git", durable=durable)
        ids, took = [store.add(seed, message="seed")], []
        for number in range(1, count):
            parent = rng.choice(ids[-200:])
            path = paths[number % len(paths)]
            changed = {**seed, path: f"{seed[path]}\n# try {number}\n"}
            begin = time.perf_counter()
            ids.append(store.add(changed, [parent], f"hypothesis {number}"))
            took.append(time.perf_counter() - begin)
        cold = GenomeStore(store.path)
        sample = rng.sample(ids, min(1000, count))
        tenth = max(1, len(took) // 10)
        found = {
            "variants": count,
            "durable": durable,
            "add_first_tenth": spread(took[:tenth]),
            "add_last_tenth": spread(took[-tenth:]),
            "from_disk_ms": timed(cold.files, sample),
            "recent_ms": timed(cold.files, sample[-100:]),
            "verify_ms": timed(cold.verify, sample[:200]),
            "resolve_prefix_ms": timed(cold.resolve, [name[:12] for name in sample[:20]]),
            "disk_mb": round(size_on_disk(store.path) / 1e6, 1),
        }
        begin = time.perf_counter()
        store.pack()
        found["pack_seconds"] = round(time.perf_counter() - begin, 1)
        found["packed_disk_mb"] = round(size_on_disk(store.path) / 1e6, 1)
        packed = GenomeStore(store.path, durable=durable)
        found["packed_from_disk_ms"] = timed(packed.files, sample)
        found["packed_add_ms"] = timed(
            lambda n: packed.add({**seed, "genome.toml": f"# {n}\n"}, [ids[-1]], str(n)), range(200)
        )
        return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variants", type=int, default=10_000)
    parser.add_argument("--durable", action="store_true")
    given = parser.parse_args()
    print(json.dumps(measure(given.variants, given.durable), indent=2))
