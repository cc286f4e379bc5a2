"""How a library of many real folders opens, searches and grows: prints JSON.

    python -m bench.library_scale [--folders 100000] [--keep FOLDER]

Folders are written without waiting for the disk; what is measured is the reader. Memory is that of a process of its
own that holds the store, the router, the index and the default embedder's model. Embeddings are sums of fixed random
directions of words, of the default embedder's size: the default needs minutes for each thousand skills. With --keep the
folders stay there, and a second call measures opened ones only.
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings

from bench.retrieval import make_skills, percentile
from evolvent.library import Router, SkillStore, folders, mirror
from evolvent.library.format import draft, skill_files
from evolvent.library.mirror import Mirror
from evolvent.search import VectorIndex
from evolvent.types import AdmissionReport, SkillCase, SkillProposal, SkillState, StageResult

SPARE = 50
INPUTS = "inputs.json"
SCRIPT = "import re\n\n\ndef solve(question):\n    found = re.findall(r'[a-z0-9]+', question)\n    return len(found)\n"


class FewDirections(Embeddings):
    """A text is the sum of its words' directions, of which there are few: 25 MB in place of 600 for 200,000 words."""

    def __init__(self, count=16_384, size=384):
        self._directions = np.random.default_rng(0).normal(size=(count, size)).astype(np.float32)

    def embed_documents(self, texts):
        rows = [
            self._directions[
                [zlib.crc32(word.encode()) % len(self._directions) for word in text.split()]
            ].sum(axis=0)
            for text in texts
        ]
        return [row / np.linalg.norm(row) for row in rows]

    def embed_query(self, text):
        return self.embed_documents([text])[0]


def made(name, text):
    """Return a skill and its report, from one of `make_skills`."""
    head, *examples = text.split("\f")
    description = f"Use for {' '.join(examples[0].split()[:12])}"
    proposal = SkillProposal(name=name, description=description, body=head, script=SCRIPT)
    cases = tuple(SkillCase(question=e, expected=12) for e in examples)
    skill = draft(proposal).model_copy(update={"cases": cases})
    stage = StageResult(stage="tests", passed=True, reason="made for a measurement")
    return skill, AdmissionReport(name=name, digest=skill.digest, admitted=True, stages=(stage,))


def write(root, count):
    """Write the folders, and beside them what a measuring process needs: questions, and skills to add."""
    documents = list(make_skills(count + SPARE).items())
    copies = Mirror(root.parent / "mirror", root.parent / "damaged")
    for name, (_, text, _) in documents[:count]:
        skill, report = made(name, text)
        active = skill.model_copy(update={"state": SkillState.ACTIVE, "reason": ""})
        for relative, content in skill_files(active, report).items():
            path = root / name / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        copies.keep(name, root / name)
    rng = random.Random(1)
    examples = [text.split("\f")[1].split() for _, (_, text, _) in rng.sample(documents, 200)]
    inputs = {
        "queries": [" ".join(rng.sample(words, 9)) for words in examples],
        "spare": {name: text for name, (_, text, _) in documents[count:]},
    }
    (root.parent / INPUTS).write_text(json.dumps(inputs), encoding="utf-8")


def resident_mb():
    with open("/proc/self/status") as file:
        return next(round(int(line.split()[1]) / 1024) for line in file if line.startswith("VmRSS"))


def measure(root):
    """Open, search and grow a library in this process."""
    from evolvent_plugins.minilm import MiniLMEmbeddings

    inputs = json.loads((root.parent / INPUTS).read_text(encoding="utf-8"))
    queries = inputs["queries"]
    MiniLMEmbeddings().embed_query("loaded, so that its memory counts")
    before = resident_mb()
    started = time.perf_counter()
    store = SkillStore(root, seeds=None)
    opened = time.perf_counter() - started
    stored = resident_mb()
    index = VectorIndex(root.parent / "chroma", "skills", FewDirections, "bench")
    router = Router(store, index)
    started = time.perf_counter()
    router.refresh()
    refreshed = time.perf_counter() - started
    for query in queries:
        index.embed_query(query)
    started = time.perf_counter()
    router.search(queries[0])
    first = time.perf_counter() - started
    seconds, processor = [], []
    for query in queries:
        started, used = time.perf_counter(), time.process_time()
        router.search(query)
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    searched = resident_mb()
    adds, synced, refreshes = grow(store, router, inputs["spare"])
    figures = {
        "skills": sum(1 for _ in store.each()),
        "open_seconds": round(opened, 1),
        "refresh_seconds": round(refreshed, 1),
        "first_search_ms": round(first * 1000, 1),
        "search_ms_p50": percentile(seconds, 0.5),
        "search_ms_p95": percentile(seconds, 0.95),
        "search_processor_ms_p50": percentile(processor, 0.5),
        "add_without_fsync_ms_p50": percentile([a - s for a, s in zip(adds, synced, strict=True)], 0.5),
        "fsync_ms_p50": percentile(synced, 0.5),
        "refresh_after_add_ms_p50": percentile(refreshes, 0.5),
        "fsyncs_per_add": round(statistics.mean(COUNTS), 1),
        "resident_mb_models_only": before,
        "resident_mb_with_store": stored,
        "resident_mb_after_searches": searched,
        "resident_mb": resident_mb(),
        "load": round(os.getloadavg()[0], 1),
    }
    index.close()
    return figures


COUNTS = []


def grow(store, router, spare):
    """Add skills; returns the seconds of each addition, of the waiting for the disk in it, and of each refresh."""
    adds, synced, refreshes, waited = [], [], [], []
    real = os.fsync

    def timed(descriptor):
        started = time.perf_counter()
        real(descriptor)
        waited.append(time.perf_counter() - started)

    for module in (folders, mirror):
        module.os.fsync = timed
    try:
        held = sum(1 for _ in store.each())
        for name, text in spare.items():
            skill, report = made(f"{name}-{held}", text)
            waited.clear()
            started = time.perf_counter()
            store.add(skill, report)
            adds.append(time.perf_counter() - started)
            synced.append(sum(waited))
            COUNTS.append(len(waited))
            started = time.perf_counter()
            router.refresh()
            refreshes.append(time.perf_counter() - started)
    finally:
        os.fsync = real
    return adds, synced, refreshes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folders", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="where the folders are, or are to stay")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = (args.keep or Path(folder)) / "skills"
        opened_before = (root.parent / INPUTS).exists()
        if not opened_before:
            real, os.fsync = os.fsync, lambda descriptor: None
            try:
                write(root, args.folders)
            finally:
                os.fsync = real
        command = [sys.executable, "-m", "bench.library_scale", "--measure", str(root)]
        runs = []
        for run in ("again",) if opened_before else ("first", "again"):
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            runs.append({"run": run} | json.loads(done.stdout.splitlines()[-1]))
    print(json.dumps({"library_scale": runs, "python": platform.python_version()}, indent=2))


if __name__ == "__main__":
    main()
