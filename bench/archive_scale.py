"""How an archive of many variants behaves: `evolvent archive tree`, a look at one variant, the database; prints JSON.

    python -m bench.archive_scale [--variants 10000] [--tasks 8]

The lineage is grown with a seed, each variant one commit of the repository, with as many evaluations as tasks, an
event, and a candidate with the lines that it changed. The commands are processes of their own, their start included;
`processor_s` is their user and system time, which other work on the machine changes less.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.evolution.world import program

from bench.policies import grown
from evolvent.storage import Home, Ledger, open_database
from evolvent.storage.archive import ArchiveTables, StoredVariant
from evolvent.storage.genomes import GenomeStore
from evolvent.types import Candidate, Evaluation, Split, Usage, VariantDecided

BATCH = 500


def fill(home, count, tasks):
    """Write an archive of so many variants; return the ids."""
    tables, genomes = ArchiveTables(open_database(home.database)), GenomeStore(home.genomes, durable=False)
    ledger, rng = Ledger(tables.engine), Random(0)
    ids, files = {}, program(5)
    rows = {"variants": [], "candidates": [], "evaluations": []}
    for n, variant in enumerate(grown(count)):
        parents = tuple(ids[parent] for parent in variant.parents)
        after = {**files, "task_agent.py": f"{files['task_agent.py']}\nNUMBER = {n}\n"}
        made = ids[variant.id] = genomes.add(after, parents, f"number {n}")
        key = f"evolve-bench/{n // 16}/{n % 16}"
        rows["variants"].append(
            StoredVariant(
                made, f"{n:040x}", parents, variant.generation, "evolve-bench", "step", "", variant.viable
            )
        )
        if parents:
            rows["candidates"].append(
                Candidate(
                    key=key,
                    generation=n // 16,
                    slot=n % 16,
                    action="expand",
                    parent=parents[0],
                    operator="step",
                    status="measured",
                    stage="measure",
                    hypothesis="It answers more of the questions when it looks at them twice.",
                    variant=made,
                    evidence={"changed": ["task_agent.py"], "lines": f"task_agent.py: NUMBER = {n}\n" * 8},
                )
            )
            ledger.append(
                VariantDecided(
                    key=f"variant:{key}",
                    run_id="evolve-bench",
                    variant=made,
                    parent=parents[0],
                    operator="step",
                    status="measured",
                    stage="measure",
                    reason="",
                )
            )
        for task in range(tasks):
            passed = rng.random() < variant.score
            rows["evaluations"].append(
                Evaluation(
                    variant=made,
                    split=Split.TRAIN,
                    task_id=f"sums-{task:04}",
                    score=float(passed),
                    passed=passed,
                    status="solved" if passed else "failed",
                    usage=Usage(input_tokens=400, output_tokens=60, model_calls=1, seconds=1.5),
                    answer=None if passed else "-1",
                    feedback="" if passed else "Expected: 12",
                )
            )
        if n % BATCH == BATCH - 1 or n == count - 1:
            tables.add_variants(rows["variants"])
            tables.add_candidates(rows["candidates"])
            tables.add_evaluations("bench", "evolve-bench", rows["evaluations"])
            rows = {name: [] for name in rows}
    genomes.set_active(ids["v0"])
    genomes.pack()
    tables.engine.dispose()
    return list(ids.values())


def command(home, *words):
    """Run `evolvent` and return how long it took and how much it printed."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", "from evolvent.cli import main; main()", "archive", *words],
        env={**os.environ, "EVOLVENT_HOME": str(home)},
        stdout=subprocess.PIPE,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "wall_s": time.perf_counter() - started,
        "processor_s": processor,
        "lines": done.stdout.count(b"\n"),
    }


def size(path):
    """Return megabytes of a file, or of all files below a folder."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(p.stat().st_size for p in files) / 1e6


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--variants", type=int, default=10_000)
    parser.add_argument("--tasks", type=int, default=8)
    args = parser.parse_args()
    found = {"variants": args.variants, "tasks": args.tasks}
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.path.mkdir(parents=True, exist_ok=True)
        last = fill(home, args.variants, args.tasks)[-1]
        for name, words in {
            "tree": ["tree"],
            "tree_all": ["tree", "--limit", str(args.variants)],
            "tree_json": ["tree", "--json"],
            "show": ["show", last],
            "best": ["best"],
        }.items():
            found[name] = command(home.path, *words)
        found["database_mb"], found["repository_mb"] = size(home.database), size(home.genomes)
    found["load"] = os.getloadavg()[0]
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
