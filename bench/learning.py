"""The main job, measured: what a suite's held-out tasks gain; prints JSON.

`--suite` names what is learned (default `reasoning-gym:starter`); `--repeat 2` learns it twice in fresh homes and
says whether libraries and scores are the same.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path

from evolvent import Runtime
from evolvent.practice import LearnJob, LearnOptions


def learn(args, home):
    """Run one job in a fresh home; return its report and its library."""
    started = time.perf_counter()
    with Runtime.open(home=home, model=args.model) as runtime:
        options = LearnOptions(seed=args.seed, held_out=args.held_out)
        report = LearnJob(runtime, args.suite, options).run().model_dump(mode="json")
        library = {skill.name: skill.digest for skill in runtime.skills.usable()}
    return {**report, "process_s": round(time.perf_counter() - started, 1)}, library


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default="reasoning-gym:starter")
    parser.add_argument("--model", default="local:qwen2.5-coder-1.5b")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=1)
    args = parser.parse_args()
    reports, libraries = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.repeat):
            report, library = learn(args, Path(folder) / str(number))
            reports.append(report)
            libraries.append(library)
    scores = [[(f["family"], f["score"]) for f in report["families"]] for report in reports]
    first = reports[0]
    print(
        json.dumps(
            {
                "machine": f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}",
                "active_families": sum(bool(f["skill"]) for f in first["families"]),
                "same_library": all(library == libraries[0] for library in libraries),
                "same_scores": all(score == scores[0] for score in scores),
                "reports": reports,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
