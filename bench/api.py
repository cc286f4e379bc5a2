"""Latency of the daemon's HTTP API and delay of its events, with readers at once: over a real port, scripted model.

    python bench/api.py [--readers 50] [--requests 2000] [--jobs 200]

Writes JSON: milliseconds of requests by route, milliseconds from an event's commit to its arrival at each reader, and
jobs a second with and without readers.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx

PROMPT = {"payload": {"prompt": "What is 6 times 7?"}}


def quantiles(values: list[float]) -> dict[str, float]:
    """Return p50, p99 and the maximum in milliseconds."""
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "p50_ms": round(1000 * statistics.median(ordered), 2),
        "p99_ms": round(1000 * ordered[int(0.99 * (len(ordered) - 1))], 2),
        "max_ms": round(1000 * ordered[-1], 2),
    }


def serve(home: str) -> tuple[object, object, str, str]:
    """Start a daemon and return it, its server, its url and a token."""
    from evolvent import Runtime, Settings
    from evolvent.daemon import Daemon
    from evolvent.daemon.api import ApiServer, make_app
    from evolvent.storage import Tokens
    from evolvent.testing import ScriptedModel
    from evolvent.types import Scope

    settings = Settings(home=home, daemon_port=0, daemon_rate=1e6)
    runtime = Runtime(settings, model=ScriptedModel(script={"": "42"}))
    daemon = Daemon(runtime, background=False)
    daemon.start()
    server = ApiServer(make_app(daemon, settings), settings)
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    token, _ = Tokens(runtime.services.engine).create("bench", [Scope.ADMIN])
    return daemon, server, f"http://127.0.0.1:{server.port}/api/v1", token


def client_of(url: str, token: str) -> httpx.Client:
    """Return a client with as many connections as it likes."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    return httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {token}"}, limits=limits, timeout=120
    )


def listen_as_many(url: str, token: str, readers: int) -> None:
    """Be some readers until stdin ends; then print the delays of all events in seconds."""
    client = client_of(url, token)
    delays: list[float] = []
    ready, stop = threading.Barrier(readers + 1), threading.Event()

    def listen() -> None:
        with client.stream("GET", "/events") as answer:
            lines = answer.iter_lines()
            next(lines)
            ready.wait()
            for line in lines:
                if line.startswith("data:"):
                    start = line.index('"at":"') + 6
                    at = datetime.fromisoformat(line[start : line.index('"', start)])
                    delays.append((datetime.now(UTC) - at).total_seconds())
                if stop.is_set():
                    return

    for _ in range(readers):
        threading.Thread(target=listen, daemon=True).start()
    ready.wait()
    print("ready", flush=True)
    sys.stdin.read()
    print(json.dumps(delays), flush=True)
    os._exit(0)


def do_jobs(client: httpx.Client, count: int) -> dict[str, object]:
    """Hand in jobs from eight threads and wait for all of them."""
    times: list[float] = []

    def submit(number: int) -> str:
        began = time.perf_counter()
        answer = client.post("/jobs", json=PROMPT, headers={"Idempotency-Key": f"{time.time_ns()}-{number}"})
        times.append(time.perf_counter() - began)
        return str(answer.raise_for_status().json()["id"])

    done = client.get("/status").json()["jobs"]["finished"]
    began = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(submit, range(count)))
    while client.get("/status").json()["jobs"]["finished"] < done + count:
        time.sleep(0.05)
    seconds = time.perf_counter() - began
    return {"jobs": len(ids), "jobs_per_second": round(len(ids) / seconds, 2), "submit": quantiles(times)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument(
        "--listen", nargs=2, metavar=("URL", "TOKEN"), help="be the readers of another process"
    )
    given = parser.parse_args()
    if given.listen:
        listen_as_many(*given.listen, given.readers)
    with tempfile.TemporaryDirectory() as home:
        os.environ["EVOLVENT_SANDBOX"] = "bubblewrap"
        daemon, server, url, token = serve(home)
        client = client_of(url, token)
        found: dict[str, object] = {"warm_up": do_jobs(client, 5), "alone": do_jobs(client, given.jobs)}
        by_route: dict[str, object] = {}
        for path in ("/health", "/status", "/jobs?limit=50", "/runs?limit=50", "/skills", "/metrics"):
            times = []
            for _ in range(max(1, given.requests // 6)):
                began = time.perf_counter()
                client.get(path).raise_for_status()
                times.append(time.perf_counter() - began)
            by_route[path] = quantiles(times)
        found["routes"] = by_route
        command = [sys.executable, __file__, "--listen", url, token, "--readers", str(given.readers)]
        readers = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert readers.stdout is not None
        readers.stdout.readline()
        found["with_readers"] = do_jobs(client, given.jobs)
        found["event_delay"] = quantiles(json.loads(readers.communicate()[0]))
        print(json.dumps(found, indent=2))
        server.should_exit = True  # type: ignore[attr-defined]
        daemon.drain(20)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
