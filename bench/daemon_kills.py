"""Kills the daemon at random moments under load, and counts: nothing acknowledged is lost, no effect happens twice.

`python -m bench.daemon_kills --cycles 100` prints JSON. Each job calls a tool that appends a line to a file: the
independent counter. Where a kill came while a call was being made, nobody can know whether it took effect; the job then
waits for a person, and the person here looks into the file.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from evolvent.daemon.access import open_jobs
from evolvent.daemon.place import find
from evolvent.errors import EvolventError
from evolvent.settings import Settings
from evolvent.storage import Approvals, Home, JobQueue, Ledger, open_database
from evolvent.types import JobRequest, JobState

POLICY = '[daemon]\nwrites_files = "allow"\n'
OUTSTANDING = 12
"""Jobs that are not done yet above which no more are handed in."""
EARLY = 0.25
"""Share of processes that are killed while they start."""


class Load:
    """Hands jobs in over HTTP whenever a daemon answers, each until it is acknowledged."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.acknowledged: dict[str, str] = {}
        """Key -> job."""
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        number = 0
        while not self.over.is_set():
            key = f"k{number}"
            kind = "consolidate" if number % 10 == 9 else "solve"
            payload = {} if kind == "consolidate" else {"prompt": f"job {key}"}
            try:
                jobs = open_jobs(self.settings)
                if jobs.running is None or len(jobs.list(JobState.QUEUED, None, 100)) > OUTSTANDING:
                    time.sleep(0.05)
                    continue
                job = jobs.submit(JobRequest(kind=kind, payload=payload, key=key, max_tries=100))
            except (EvolventError, OSError):
                time.sleep(0.05)
                continue
            assert self.acknowledged.setdefault(key, job.id) == job.id
            number += 1


def start(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the daemon's process."""
    said = Path(environment["EVOLVENT_HOME"]).parent / "said"
    with said.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "bench.killed_daemon"], env=environment, stdout=file, stderr=file
        )


def answer_like_a_person(home: Home, jobs: Any, counted: Path) -> int:
    """Answer what is asked: yes where the effect did not happen; return how many were asked."""
    approvals = Approvals(engine := open_database(home.database), Ledger(engine))
    open_questions = approvals.list()
    for asked in open_questions:
        lines = counted.read_text().splitlines() if counted.exists() else []
        text = asked.subject["arguments"]["text"]  # type: ignore[index,call-overload]
        jobs.client.answer(asked.id, "reject" if text in lines else "approve")
    engine.dispose()
    return len(open_questions)


def kills(
    folder: Path, cycles: int, seed: int = 0, longest: float = 4.0, final: float = 300.0
) -> dict[str, Any]:
    """Run and kill, then let everything end, and count.

    Args:
        folder: an empty folder.
        cycles: kills.
        seed: of the moments.
        longest: seconds from when a process takes jobs to its kill, at most. Every fourth is killed before.
        final: seconds for what is left, without kills.
    """
    chance = random.Random(seed)
    home = Home(folder / "home")
    home.create()
    (home.path / "approvals.toml").write_text(POLICY)
    environment = {
        **os.environ,
        "EVOLVENT_HOME": str(home.path),
        "EVOLVENT_DAEMON_PORT": "0",
        "EVOLVENT_DAEMON_SLOTS": "2",
        "EVOLVENT_DAEMON_FREE_MB": "0",
        "EVOLVENT_SANDBOX": "bubblewrap",
    }
    settings = Settings(home=home.path)
    counted = home.path / "counted"
    load = Load(settings)
    load.thread.start()
    began, serving = time.monotonic(), 0
    for _ in range(cycles):
        process = start(environment)
        early = chance.random() < EARLY
        if not early:
            until = time.monotonic() + 60
            while find(home) is None and process.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
        time.sleep(chance.uniform(0.0, longest))
        serving += find(home) is not None
        if process.poll() is not None:
            raise RuntimeError((folder / "said").read_text()[-3000:])
        process.send_signal(signal.SIGKILL)
        process.wait()
    load.over.set()
    load.thread.join(60)
    process, asked = start(environment), 0
    try:
        until = time.monotonic() + final
        while time.monotonic() < until:
            jobs = open_jobs(settings)
            if jobs.running is not None:
                asked += answer_like_a_person(home, jobs, counted)
                if all(jobs.get(job).state.ended for job in load.acknowledged.values()):
                    break
            time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        drained = process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return _counted(home, load, counted) | {
        "cycles": cycles,
        "killed_while_serving": serving,
        "asked_a_person": asked,
        "drained": drained,
        "seconds": round(time.monotonic() - began, 1),
    }


def _counted(home: Home, load: Load, counted: Path) -> dict[str, Any]:
    engine = open_database(home.database)
    queue = JobQueue(engine, Ledger(engine))
    stored = {job.key: job for job in queue.list(limit=1_000_000)}
    engine.dispose()
    lines = Counter(counted.read_text().splitlines() if counted.exists() else [])
    solved = [key for key, job in stored.items() if job.kind == "solve" and job.state == JobState.FINISHED]
    return {
        "acknowledged": len(load.acknowledged),
        "states": dict(Counter(str(stored[key].state) for key in load.acknowledged if key in stored)),
        "lost": sorted(key for key in load.acknowledged if key not in stored),
        "dead_without_reason": sorted(
            str(key) for key, job in stored.items() if job.state == JobState.DEAD and not job.reason
        ),
        "effects_twice": sorted(text for text, count in lines.items() if count > 1),
        "finished_without_effect": sorted(str(key) for key in solved if not lines[f"job {key}"]),
        "tries": dict(sorted(Counter(job.tries for job in stored.values()).items())),
    }


def main() -> None:
    """Run it and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=4.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(kills(Path(folder), given.cycles, given.seed, given.longest), indent=2))


if __name__ == "__main__":
    main()
