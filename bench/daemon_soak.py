"""Whether a daemon grows under steady load; prints JSON.

    python -m bench.daemon_soak [--minutes 30] [--warm-up 5] [--every 30] [--rate 2.0]
        [--sandbox docker] [--keep FOLDER]

A daemon in a process of its own (`bench.busy_daemon`: scripted model, real sandbox) does what a daemon of weeks does:
questions, tools, guests that fail, hang or are cancelled, evolution, practice, consolidation, audits, backups; streams
of events come and go, and people log in and look at every page. What it holds is read from outside (`from_outside`).
The first quarter of the samples after the warm-up is compared with the last.
"""

from __future__ import annotations

import argparse
import contextlib
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from bench.busy_daemon import environment
from bench.dashboard_readers import visitor
from bench.from_outside import growth, held
from evolvent.client import Client
from evolvent.daemon.dashboard.pages import PAGES
from evolvent.storage import Home
from evolvent.storage.place import Place, find
from evolvent.types import JobState

IDLE = "evolve,practise@5m,consolidate@1m,audit@3m"
WORDS = ("ask", "ask", "ask", "count", "count", "compute", "learn", "learn", "fail", "hang", "cancel")
"""What jobs do, drawn evenly."""
BURST, REST = 40.0, 20.0
"""Seconds in which jobs come, and in which none do: idle time."""
OUTSTANDING = 8
BEARABLE = 5.0
"""Percent of growth."""
SOUGHT = (
    "resident_mib",
    "tree_resident_mib",
    "descriptors",
    "threads",
    "processes",
    "sandboxes",
    "containers",
    "temporary_files",
)
"""What must not grow; the rest of a sample is what a home keeps."""


class Load:
    """Everything that people do with a daemon, each in a thread of its own, until it is over.

    Args:
        place: where the daemon is.
        token: of this machine.
        home: of the daemon.
        rate: jobs a second while they come.
        given: environment of further processes.
    """

    def __init__(self, place: Place, token: str, home: Path, rate: float, given: dict[str, str]) -> None:
        self.url, self.token, self.home, self.rate, self.given = place.url, token, home, rate, given
        self.over = threading.Event()
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.counted: list[str] = []
        """Prompts of jobs that call the tool."""
        self._began = time.monotonic()
        whats: list[Callable[[random.Random], None]] = [
            self.submit,
            self.listen,
            self.listen,
            self.look,
            self.back_up,
        ]
        self._threads = [
            threading.Thread(target=self._repeat, args=(what, random.Random(number)), daemon=True)
            for number, what in enumerate(whats)
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop all of it."""
        self.over.set()
        for thread in self._threads:
            thread.join(60)

    def _repeat(self, what: Callable[[random.Random], None], chance: random.Random) -> None:
        while not self.over.is_set():
            try:
                what(chance)
            except Exception as error:
                self.faults.append(f"{what.__name__}: {type(error).__name__}: {error}"[:300])
                self.over.wait(5.0)

    def submit(self, chance: random.Random) -> None:
        """Hand in a job when it is time."""
        self.over.wait(chance.expovariate(self.rate))
        if (time.monotonic() - self._began) % (BURST + REST) > BURST:
            return
        with Client(self.url, self.token) as client:
            if len(client.list(JobState.QUEUED, limit=100)) >= OUTSTANDING:
                return
            number, word = self.counts["jobs"], chance.choice(WORDS)
            payload: dict[str, Any] = {}
            if word == "learn":
                payload = {"evaluator": "exact", "reference": "something else"}
            elif word == "hang":
                payload = {"budget": {"seconds": 3, "attempts": 1}}
            prompt = f"{'hang' if word == 'cancel' else word} {number}"
            if word == "count":
                self.counted.append(prompt)
            job = client.submit(prompt, **payload)
            self.counts["jobs"] += 1
            self.counts[f"jobs: {word}"] += 1
            if word == "cancel":
                self.over.wait(chance.uniform(0.0, 1.5))
                client.cancel(job.id)

    def listen(self, chance: random.Random) -> None:
        """Hear events for a while, then leave, as often as not without a word."""
        until = time.monotonic() + chance.uniform(1.0, 20.0)
        gone = lambda: self.over.is_set() or time.monotonic() > until  # noqa: E731
        with Client(self.url, self.token) as client:
            for _ in client.events(chance.choice([None, 0]), stop=gone):
                self.counts["events heard"] += 1
        self.counts["streams"] += 1

    def look(self, chance: random.Random) -> None:
        """Log in, look at every page and at a run, hear what is live, log out or just go away."""
        with contextlib.closing(visitor(self.url, self.token)) as browser:
            for path in (*(page.path for page in PAGES), "/now/parts"):
                browser.get(path).raise_for_status()
                self.counts["pages"] += 1
            with Client(self.url, self.token) as client:
                jobs = client.list(limit=5)
            for job in jobs[:2]:
                browser.get(f"/runs/{job.run_id}")
                self.counts["pages"] += 1
            with browser.stream("GET", "/live?after=0", timeout=httpx.Timeout(30.0)) as answer:
                for _, _line in zip(range(chance.randrange(1, 500)), answer.iter_lines(), strict=False):
                    pass
            if chance.random() < 0.5:
                browser.post("/logout")
        self.over.wait(5.0)

    def back_up(self, _: random.Random) -> None:
        """Make a backup as a person does, from another process."""
        file = self.home.parent / "by-hand.tar.gz"
        command = [sys.executable, "-m", "evolvent", "backup", str(file)]
        done = subprocess.run(command, env=self.given, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-300:])
        self.counts["backups by hand"] += 1
        file.unlink()
        self.over.wait(240.0)


def soak(
    folder: Path, minutes: float, warm_up: float, every: float, rate: float, sandbox: str = "bubblewrap"
) -> dict[str, Any]:
    """Run a daemon under load and compare its beginning with its end.

    Args:
        folder: an empty folder.
        minutes: of samples.
        warm_up: minutes before them.
        every: seconds from one sample to the next.
        rate: jobs a second while they come.
        sandbox: where guests run; `docker` needs an engine with the image.
    """
    home, temporary = Home(folder / "home"), folder / "tmp"
    temporary.mkdir()
    given = environment(
        home.path,
        TMPDIR=str(temporary),
        EVOLVENT_DAEMON_SLOTS="2",
        EVOLVENT_SANDBOX=sandbox,
        EVOLVENT_DAEMON_IDLE=IDLE,
        EVOLVENT_DAEMON_BACKUP_HOURS="0.05",
        EVOLVENT_LOG_MB="1",
    )
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.busy_daemon"], env=given, stdout=said, stderr=said
        )
    try:
        place = wait_for(home, process, folder / "said")
        load = Load(place, home.token.read_text().strip(), home.path, rate, given)
        time.sleep(60 * warm_up)
        began, samples = time.monotonic(), []
        while time.monotonic() - began < 60 * minutes and process.poll() is None:
            seconds = round(time.monotonic() - began, 1)
            samples.append(
                {"seconds": seconds, "jobs": load.counts["jobs"], **held(process.pid, home.path, temporary)}
            )
            print(json.dumps(samples[-1]), file=sys.stderr, flush=True)
            time.sleep(every)
        load.end()
        with Client(place.url, load.token) as client:
            ended = all_ended(client, 120.0)
            status = client.status()
        process.send_signal(signal.SIGTERM)
        code = process.wait(90)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    lines = Counter((home.path / "counted").read_text().splitlines())
    return {
        "minutes": minutes,
        "growth": growth(samples, [name for name in samples[0] if name not in ("seconds", "jobs")]),
        "grew": [name for name, found in growth(samples, SOUGHT).items() if _grew(found)],
        "did": dict(load.counts),
        "faults": load.faults[:20],
        "jobs": {str(state): count for state, count in status.jobs.items()},
        "all_ended": ended,
        "tool_not_called": [prompt for prompt in load.counted if not lines[prompt]],
        "tool_called_twice": [prompt for prompt, count in lines.items() if count > 1],
        "exit_code": code,
        "left_in_tmp": sorted(path.name for path in temporary.iterdir()),
        "load": os.getloadavg(),
        "samples": samples,
    }


def _grew(found: dict[str, float] | None) -> bool:
    """Whether medians and lowest values both grew: what is at work at a moment varies."""
    if found is None:
        return False
    return found["growth_percent"] > BEARABLE and found["last_lowest"] > found["first_lowest"]


def wait_for(home: Home, process: subprocess.Popen[bytes], said: Path) -> Place:
    """Return where a daemon that starts is.

    Raises:
        RuntimeError: it did not start; with what it said.
    """
    until = time.monotonic() + 180
    while time.monotonic() < until and process.poll() is None:
        place = find(home)
        if place is not None:
            return place
        time.sleep(0.1)
    raise RuntimeError(said.read_text()[-3000:])


def all_ended(client: Client, seconds: float) -> bool:
    """Wait until every job of a person has ended; return whether it did."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        left = [
            job
            for state in (JobState.QUEUED, JobState.RUNNING, JobState.WAITING)
            for job in client.list(state)
        ]
        if not any(job.priority >= 0 for job in left):
            return True
        time.sleep(1.0)
    return False


def main() -> None:
    """Soak and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--warm-up", type=float, default=5.0)
    parser.add_argument("--every", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=2.0)
    parser.add_argument("--sandbox", default="bubblewrap", choices=("bubblewrap", "docker"))
    parser.add_argument("--keep", type=Path, help="a new folder for the home; default: it is deleted")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        found = soak(folder, given.minutes, given.warm_up, given.every, given.rate, given.sandbox)
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
