"""What open pages cost the jobs, and pages of a home with many of them: over a real port, with a scripted model.

    python -m bench.dashboard_readers [--readers 50] [--jobs 100] [--rows 10000] [--again 20]

The home has as many jobs, runs and questions as `--rows`, and ten times as many events. Writes JSON: milliseconds and
bytes by page, and jobs a second with and without so many open pages, each of which hears the stream and refreshes
itself as `dashboard.js` does.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import threading
import time
from pathlib import Path

import httpx

from bench.api import serve

BATCH = 5_000


def fill(home: Path, rows: int) -> None:
    """Write the rows."""
    from sqlalchemy import insert

    from evolvent.storage import Home, open_database
    from evolvent.storage.tables import ApprovalRow, EventRow, JobRow, RunRow

    place = Home(home)
    place.create()
    engine = open_database(place.database)
    at = "2026-01-01T00:00:00.000+00:00"
    question = "How many words of the text begin with a vowel? " * 20
    ended = {"finished_at": at, "status": "answered", "result": {"answer": "42", "detail": ""}}
    jobs = [
        {
            "id": f"j-{n:016x}",
            "run_id": f"r-{n:016x}",
            "kind": "solve",
            "payload": {"prompt": question},
            "priority": 0,
            "max_tries": 3,
            "state": ("finished", "dead", "waiting", "cancelled")[n % 4],
            "reason": "it failed" if n % 4 == 1 else "",
            "created_at": at,
        }
        for n in range(rows)
    ]
    runs = [
        {"id": f"r-{n:016x}", "job": "solve", "title": question, "config": {}, "created_at": at, **ended}
        for n in range(rows)
    ]
    questions = [
        {
            "id": f"q-{n:016x}",
            "run_id": f"r-{n:016x}",
            "session_id": f"r-{n:016x}#1",
            "kind": "tool_call",
            "subject": {"tool": "http", "arguments": {"url": "https://example.org/"}},
            "reason": "it touches the network",
            "asked_at": at,
            "verdict": None if n % 2 else "approve",
        }
        for n in range(rows)
    ]
    events = [
        {
            "key": f"bench:{n}",
            "run_id": f"r-{n // 10:016x}",
            "kind": "broker.answered",
            "at": at,
            "data": {
                "kind": "broker.answered",
                "key": f"bench:{n}",
                "run_id": f"r-{n // 10:016x}",
                "attempt_id": "x",
                "method": "model.complete",
                "ok": True,
                "summary": question[:300],
            },
        }
        for n in range(10 * rows)
    ]
    with engine.begin() as connection:
        for table, values in ((JobRow, jobs), (RunRow, runs), (ApprovalRow, questions), (EventRow, events)):
            for start in range(0, len(values), BATCH):
                connection.execute(insert(table), values[start : start + BATCH])
    engine.dispose()


def visitor(url: str, token: str) -> httpx.Client:
    """Return a browser that is logged in."""
    client = httpx.Client(base_url=url, headers={"Origin": url, "Accept": "text/html"}, timeout=60)
    assert client.post("/login", data={"token": token}).status_code == 303
    return client


def pages(client: httpx.Client, rows: int, again: int) -> dict[str, dict[str, float]]:
    """Return how long each page takes."""
    from evolvent.daemon.dashboard.pages import PAGES

    run = f"r-{rows // 2:016x}"
    measured = {}
    for path in (*(page.path for page in PAGES), "/jobs?offset=9000", "/runs?offset=9000", f"/runs/{run}"):
        seconds = []
        for _ in range(again + 1):
            began = time.perf_counter()
            answer = client.get(path)
            seconds.append(time.perf_counter() - began)
            assert answer.status_code == 200, (path, answer.status_code)
        measured[path] = {
            "first_ms": round(1000 * seconds[0], 1),
            "p50_ms": round(1000 * statistics.median(seconds[1:]), 1),
            "max_ms": round(1000 * max(seconds[1:]), 1),
            "kilobytes": round(len(answer.content) / 1000, 1),
        }
    return measured


class Reader(threading.Thread):
    """An open page: it hears the stream, and refreshes its parts a second after an event."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(daemon=True)
        self._client = visitor(url, token)
        self.over, self._stirred = threading.Event(), threading.Event()
        self.heard = self.refreshed = 0

    def run(self) -> None:
        """Listen until it is over."""
        after = re.search(r"/live\?after=(\d+)", self._client.get("/").text)
        threading.Thread(target=self._refresh, daemon=True).start()
        with self._client.stream("GET", f"/live?after={after[1] if after else 0}") as answer:
            for line in answer.iter_lines():
                if line.startswith("event: entry"):
                    self.heard += 1
                    self._stirred.set()
                if self.over.is_set():
                    return

    def _refresh(self) -> None:
        while not self.over.is_set():
            if self._stirred.wait(1.0):
                time.sleep(1.0)
                self._stirred.clear()
                self.refreshed += self._client.get("/now/parts").status_code == 200


def job_rate(daemon: object, jobs: int) -> float:
    """Hand jobs in; return how many a second are done."""
    from evolvent.types import JobRequest

    began = time.perf_counter()
    made = [daemon.submit(JobRequest(payload={"prompt": "What is 6 times 7?"}))[0] for _ in range(jobs)]
    while not daemon.queue.get(made[-1].id).state.ended:
        time.sleep(0.02)
    return jobs / (time.perf_counter() - began)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--again", type=int, default=20)
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=100)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), args.rows)
        daemon, server, url, token = serve(folder)
        url = url.removesuffix("/api/v1")
        told = {"pages": pages(visitor(url, token), args.rows, args.again)} if args.rows else {}
        if args.readers:
            job_rate(daemon, args.jobs // 4)
            rates = {"with": [], "without": []}
            refreshed = 0
            for _ in range(3):  # in turn: other work on the machine meets both
                rates["without"].append(job_rate(daemon, args.jobs))
                readers = [Reader(url, token) for _ in range(args.readers)]
                for reader in readers:
                    reader.start()
                time.sleep(2)
                rates["with"].append(job_rate(daemon, args.jobs))
                for reader in readers:
                    reader.over.set()
                refreshed += sum(reader.refreshed for reader in readers)
                job_rate(daemon, 2)
            told["jobs_a_second"] = {
                name: round(statistics.median(found), 2) for name, found in rates.items()
            }
            told["refreshes"] = refreshed
        print(json.dumps(told, indent=2))
        server.should_exit = True
        daemon.drain(10)


if __name__ == "__main__":
    main()
