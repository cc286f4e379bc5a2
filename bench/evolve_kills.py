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
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

CHILD = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.evolution.world import World
from evolvent.testing.runtimes import plugin_runtime
from evolvent.practice import EvolveJob
from evolvent.types import EvolveOptions

with plugin_runtime(World(), script={{"": "a remark"}}, home=Path(sys.argv[1]), lock_wait=20.0) as runtime:
    options = EvolveOptions.model_validate_json(sys.argv[2])
    if not any(row.job == "evolve" and row.result is not None for row in runtime.runs.list()):
        job = EvolveJob(runtime, "sums", options)
        print("ready", flush=True)
        job.run()
"""

QUERIES = {
    "variants": "SELECT number, id, tree, parents, generation, operator, hypothesis, viable, reason FROM variants",
    "candidates": "SELECT number, parent, operator, status, stage, reason, hypothesis, variant, changed, change, "
    "json_remove(usage, '$.seconds') FROM candidates",
    "evaluations": "SELECT context, variant, split, task_id, score, passed, status, json_remove(usage, '$.seconds'), "
    "failure FROM evaluations",
    "gates": "SELECT context, number, variant, incumbent, accepted, decision, tasks FROM gates",
    "freezes": "SELECT number, reason, lifted_at IS NULL FROM freezes",
}
KINDS = (
    "variant.decided",
    "variant.promoted",
    "evolution.frozen",
    "planted.found",
    "run.started",
    "run.finished",
)
SPREAD = 1.5
"""Times the uninterrupted run's work that the lives of all processes add up to: what was cut off is done again."""
FIELDS = ("variant", "parent", "before", "operator", "status", "stage", "reason", "by", "job", "title")


def write_program(folder, level):
    """Write a program of the small world into a folder."""
    from tests.evolution.world import program

    for path, text in program(level).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def content(home):
    """Return everything that an archive holds but for clocks and the names of runs: lists of rows, by table."""
    with closing(sqlite3.connect(home / "evolvent.db")) as database:
        found = {name: sorted(map(repr, database.execute(query))) for name, query in QUERIES.items()}
        events = database.execute("SELECT key, kind, data FROM events").fetchall()
        found["runs"] = [repr(database.execute("SELECT job, status FROM runs").fetchall())]
    told = [
        (kind, key.partition("/")[2], {field: json.loads(data).get(field) for field in FIELDS})
        for key, kind, data in events
        if kind in KINDS
    ]
    found["events"] = sorted(repr((kind, key, data)) for kind, key, data in told)
    nodes = [key.split(":", 2)[2] for key, kind, _ in events if kind == "node.finished"]
    found["nodes"] = sorted(nodes)
    found["active"] = [(home / "genomes.git" / "refs" / "heads" / "active").read_text()]
    return found


def differences(one, other):
    """Return, by table, the rows that only one of two archives has; empty where they are equal."""
    found = {}
    for name, rows in one.items():
        lost, added = list(rows), list(other[name])
        for row in rows:
            if row in added:
                added.remove(row)
                lost.remove(row)
        if lost or added:
            found[name] = {"lost": lost[:5], "added": added[:5]}
    return found


def kill_often(start, home, kills, startup, work, chance):
    """Kill a run at random moments until it was killed `kills` times or is done; return where each process was killed.

    Args:
        start: starts the run on a home in a process whose first line on stdout says that the run begins.
        home: the home.
        kills: how often.
        startup: seconds until a run begins.
        work: seconds from there to its end when nobody kills it.
        chance: draws the moments.
    """
    moments = []
    while len(moments) < kills:
        process = start(home)
        early = chance.random() < 0.1
        lives = chance.uniform(0, startup) if early else chance.expovariate(kills / (SPREAD * work))
        if not early and process.stdout.readline() == "":
            process.wait()
            break  # it was done
        try:
            code = process.wait(lives)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            moments.append("start" if early else lives)
            continue
        finally:
            process.stdout.close()
        if code != 0:
            raise SystemExit(f"a run that nobody killed ended with {code}")
        break
    return moments


def measure(kills, generations, seed, folder):
    """Run once without a kill and once with many; return the report."""
    root = folder / "program"
    write_program(root, 2)
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
    script = folder / "child.py"
    script.write_text(CHILD.format(root=str(Path(__file__).parents[1])))
    env = {**os.environ, "PYTHONHASHSEED": "random"}

    def start(home):
        command = [sys.executable, str(script), str(home), json.dumps(options)]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env
        )

    began = time.monotonic()
    with start(folder / "whole") as process:
        process.stdout.readline()
        startup = time.monotonic() - began
        if process.wait() != 0:
            raise SystemExit(f"the uninterrupted run ended with {process.returncode}")
    work = time.monotonic() - began - startup
    moments = kill_often(start, folder / "killed", kills, startup, work, random.Random(seed))
    with start(folder / "killed") as process:
        process.stdout.read()
    whole, killed = content(folder / "whole"), content(folder / "killed")
    unlike = differences(whole, killed)
    late = sorted(moment for moment in moments if moment != "start")
    return {
        "kills": len(moments),
        "kills_before_the_run_began": len(moments) - len(late),
        "seconds_lived_p50": late[len(late) // 2] if late else None,
        "seconds_lived_most": late[-1] if late else None,
        "generations": generations,
        "uninterrupted_seconds": work,
        "rows": {name: len(rows) for name, rows in whole.items()},
        "exit_code": process.returncode,
        "equal": not unlike,
        "differences": unlike,
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
    return 0 if found["equal"] and found["exit_code"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
