"""Killing a run of evolution at random moments, and comparing what it leaves with a run that nobody killed."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

Content = dict[str, list[str]]
Start = Callable[[Path], "subprocess.Popen[str]"]

CHILD = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.evolution.world import World
from evolvent.testing.runtimes import plugin_runtime
from evolvent.practice import EvolveJob
from evolvent.types import EvolveOptions

given = {{"home": Path(sys.argv[1]), "sandbox": "bubblewrap", "script": {{"": "a remark"}}, "lock_wait": 60.0}}
with plugin_runtime(World(), **given) as runtime:
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


EARLY = 0.1
"""Share of the kills that come before the run begins, in the start of the process."""
LONGEST = 0.4
"""Of the uninterrupted run's time, that a process lives at most."""


class Killed(NamedTuple):
    """What came of a run that was killed again and again."""

    lives: list[float]
    """Seconds that each killed process worked; 0 where it was killed before its run began."""
    work: float
    """Seconds that the uninterrupted run worked."""
    whole: Content
    """What that one left."""
    unlike: dict[str, dict[str, list[str]]]
    """By table, rows that only one of the two has."""


def compare_with_kills(folder: Path, options: Mapping[str, Any], kills: int, chance: random.Random) -> Killed:
    """Run evolution in the small world once without a kill and once with many.

    Args:
        folder: gets the two homes, `whole` and `killed`.
        options: fields of `EvolveOptions`.
        kills: how often the second one is killed; less often when it is done before.
        chance: draws the moments.
    """
    script = folder / "child.py"
    script.write_text(CHILD.format(root=str(Path(__file__).parents[2])))
    env = {**os.environ, "PYTHONHASHSEED": "random"}

    def start(home: Path) -> subprocess.Popen[str]:
        command = [sys.executable, str(script), str(home), json.dumps(dict(options))]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)

    began = time.monotonic()
    startup = _finish(start(folder / "whole"), began)
    work = time.monotonic() - began - startup
    lives = kill_often(start, folder / "killed", kills, startup, work, chance)
    _finish(start(folder / "killed"), began)
    whole = content(folder / "whole")
    return Killed(lives, work, whole, differences(whole, content(folder / "killed")))


def _finish(process: subprocess.Popen[str], began: float) -> float:
    """Let a process end by itself; return the seconds until its run began."""
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        startup = time.monotonic() - began
        assert process.wait(3_600) == 0
    return startup


def kill_often(
    start: Start, home: Path, kills: int, startup: float, work: float, chance: random.Random
) -> list[float]:
    """Kill a run at random moments until it was killed `kills` times or is done; return how long each process worked.

    Args:
        start: starts the run on a home in a process whose first line on stdout says that the run begins.
        home: the home.
        kills: how often.
        startup: seconds until a run begins.
        work: seconds from there to its end when nobody kills it.
        chance: draws the moments.
    """
    lives: list[float] = []
    while len(lives) < kills:
        early = chance.random() < EARLY
        life = chance.uniform(0, startup) if early else chance.expovariate(kills / (SPREAD * work))
        with start(home) as process:
            assert process.stdout is not None
            if not early and not process.stdout.readline():
                return lives  # it was done
            try:
                assert process.wait(min(life, LONGEST * work)) == 0, "a run that nobody killed failed"
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                lives.append(0.0 if early else life)
            else:
                return lives
    return lives


def content(home: Path) -> Content:
    """Return everything that an archive holds but for clocks and the names of runs: rows, by table."""
    with closing(sqlite3.connect(home / "evolvent.db")) as database:
        found = {name: sorted(map(repr, database.execute(query))) for name, query in QUERIES.items()}
        found["runs"] = [repr(row) for row in database.execute("SELECT job, status FROM runs")]
        events = [
            (*row[:2], json.loads(row[2])) for row in database.execute("SELECT key, kind, data FROM events")
        ]
    told = [
        (kind, key.partition("/")[2], {field: data.get(field) for field in FIELDS})
        for key, kind, data in events
        if kind in KINDS
    ]
    found["events"] = sorted(map(repr, told))
    found["nodes"] = sorted(key.split(":", 2)[2] for key, kind, _ in events if kind == "node.finished")
    found["active"] = [(home / "genomes.git" / "refs" / "heads" / "active").read_text()]
    return found


def differences(one: Content, other: Content) -> dict[str, dict[str, list[str]]]:
    """Return, by table, the rows that only one of two archives has; empty where they are equal."""
    found = {}
    for name, rows in one.items():
        lost, added = list(rows), []
        for row in other[name]:
            if row in lost:
                lost.remove(row)
            else:
                added.append(row)
        if lost or added:
            found[name] = {"lost": lost[:5], "added": added[:5]}
    return found
