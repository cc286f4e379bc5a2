"""What `kill -9` does to an evolution run: nothing; prints JSON, and ends with 1 where it did something.

    python -m bench.evolve_kills [--kills 100] [--generations 30] [--seed 5] [--keep FOLDER]

A run with a scripted model in a process of its own is killed at random moments and started again, until it was killed
often enough; then it may finish. Its archive is compared with that of an uninterrupted run: variants, candidates,
evaluations, decisions of the gate, freezes, promotions, events, and the active program, everything but clocks and the
names of runs. A tenth of the moments lies before the run begins, in the start of the process; the others are
drawn from an exponential distribution, so that the kills spread over the whole run and some processes get far.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
from pathlib import Path

from tests.evolution.kills import compare_with_kills
from tests.evolution.world import program


def measure(kills, generations, seed, folder):
    """Run once without a kill and once with many; return the report."""
    root = folder / "program"
    for path, text in program(2).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    options = {
        "generations": generations,
        "width": 2,
        "policy": "dgm-h",
        "operators": ["step", "remark"],
        "train": 6,
        "gate": 20,
        "sealed": 4,
        "first": 3,
        "freeze_gap": 1.0,
        "seed": seed,
        "start": str(root),
    }
    found = compare_with_kills(folder, options, kills, random.Random(seed))
    late = [life for life in found.lives if life]
    return {
        "kills": len(found.lives),
        "kills_before_the_run_began": len(found.lives) - len(late),
        "seconds_lived_p50": statistics.median(late) if late else None,
        "seconds_lived_most": max(late, default=None),
        "generations": generations,
        "uninterrupted_seconds": found.work,
        "rows": {name: len(rows) for name, rows in found.whole.items()},
        "equal": not found.unlike,
        "differences": found.unlike,
    }


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--generations", type=int, default=30)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="a new folder for the two homes; default: they are deleted")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        found = measure(args.kills, args.generations, args.seed, folder)
    print(json.dumps(found, indent=2))
    return 0 if found["equal"] else 1


if __name__ == "__main__":
    sys.exit(main())
