"""Jobs that are handed in while evolution runs: is any lost or done twice? Prints JSON; ends with 1 where one was.

    python -m bench.daemon_evolving [--jobs 200] [--threads 4] [--rate 2]

A daemon in a process of its own (`bench.busy_daemon`) evolves its program in idle time; people hand jobs in over HTTP,
some of them twice under the same key, as a client does whose connection broke. Each job calls a tool that appends a
line to a file, and that file is counted, not what the daemon says of itself.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.api import quantiles
from bench.busy_daemon import environment
from bench.daemon_soak import all_ended, wait_for
from evolvent.client import Client
from evolvent.storage import Home, Ledger, open_database
from evolvent.types import JobState

AGAIN = 0.2
"""Share of jobs that are handed in twice under one key."""
GENERATIONS = 300.0
"""Seconds that evolution may take to begin."""


def evolving(folder: Path, jobs: int, threads: int, rate: float) -> dict[str, Any]:
    """Hand jobs in while evolution runs, wait for all, and count.

    Args:
        folder: an empty folder.
        jobs: how many.
        threads: that hand them in.
        rate: jobs a second of all threads together.
    """
    home = Home(folder / "home")
    given = environment(home.path, EVOLVENT_DAEMON_SLOTS="3", EVOLVENT_DAEMON_IDLE="evolve")
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.busy_daemon"], env=given, stdout=said, stderr=said
        )
    acknowledged: dict[str, str] = {}
    seconds: list[float] = []
    doubled: list[str] = []
    lock = threading.Lock()
    try:
        place = wait_for(home, process, folder / "said")
        token = home.token.read_text().strip()
        client = Client(place.url, token)
        until = time.monotonic() + GENERATIONS
        while not _evolves(client) and time.monotonic() < until:
            time.sleep(0.05)
        assert _evolves(client), "evolution did not begin"
        seen = []

        def hand_in(number: int) -> None:
            chance = random.Random(number)
            time.sleep(chance.expovariate(rate / threads))
            began = time.monotonic()
            job = client.submit(f"count {number}", key=f"k{number}")
            took = time.monotonic() - began
            again = client.submit(f"count {number}", key=f"k{number}") if chance.random() < AGAIN else job
            with lock:
                acknowledged[f"count {number}"] = job.id
                seconds.append(took)
                seen.append(_evolves(client))
                if again.id != job.id:
                    doubled.append(job.id)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(hand_in, range(jobs)))
        ended = all_ended(client, 600.0)
        states = {prompt: client.get(job) for prompt, job in acknowledged.items()}
        client.close()
        process.send_signal(signal.SIGTERM)
        code = process.wait(90)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    lines = Counter((home.path / "counted").read_text().splitlines())
    return {
        "jobs": jobs,
        "acknowledged": len(acknowledged),
        "states": dict(Counter(str(job.state) for job in states.values())),
        "lost": sorted(
            prompt for prompt, job in states.items() if job.state != JobState.FINISHED or not lines[prompt]
        ),
        "twice": sorted(prompt for prompt, count in lines.items() if count > 1),
        "not_asked_for": sorted(prompt for prompt in lines if prompt not in acknowledged),
        "two_jobs_for_a_key": doubled,
        "all_ended": ended,
        "evolution_at_work_when_handed_in": sum(seen),
        "evolution": _evolution(home),
        "submit": quantiles(seconds),
        "exit_code": code,
    }


def _evolves(client: Client) -> bool:
    return any(job.kind == "evolve" for job in client.status().current)


def _evolution(home: Home) -> dict[str, int]:
    """Return what evolution did meanwhile."""
    ledger = Ledger(engine := open_database(home.database))
    events = ledger.events(kind="variant.decided")
    promoted = ledger.events(kind="variant.promoted")
    found = {"candidates": len(list(events)), "promoted": len(list(promoted))}
    engine.dispose()
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--rate", type=float, default=2.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = evolving(Path(folder), given.jobs, given.threads, given.rate)
    print(json.dumps(found, indent=2))
    wrong = ("lost", "twice", "not_asked_for", "two_jobs_for_a_key")
    return 1 if any(found[name] for name in wrong) or found["acknowledged"] != given.jobs else 0


if __name__ == "__main__":
    sys.exit(main())
