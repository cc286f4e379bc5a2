"""How fast the dashboard's pages are with a large archive and a large library: over a real port, prints JSON.

    python -m bench.dashboard [--variants 10000] [--skills 10000] [--repeat 9]

The daemon is a process of its own. `first_s` is the first request of each page after the start, by the clock;
`median_s` that of the repetitions. The lineage, the tests at the gate, the skills and two months of events are made
up; what a page does with them is not.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from tests.daemon.dashboard.grown import grow_days

from bench.archive_scale import fill
from bench.library_scale import write
from evolvent import Runtime, Settings
from evolvent.storage import Home, Tokens
from evolvent.testing import ScriptedModel
from evolvent.types import Scope

SERVE = """
import sys, threading
from evolvent import Runtime, Settings
from evolvent.daemon import Daemon
from evolvent.daemon.api import ApiServer, make_app
from evolvent.testing import ScriptedModel
settings = Settings(home=sys.argv[1], daemon_port=0, daemon_rate=1e6)
with Runtime(settings, model=ScriptedModel(script={"": "42"})) as runtime:
    daemon = Daemon(runtime, background=False)
    daemon.start()
    server = ApiServer(make_app(daemon, settings), settings)
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        pass
    print(server.port, flush=True)
    sys.stdin.read()
    daemon.drain(10)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--variants", type=int, default=10_000)
    parser.add_argument("--skills", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=9)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.path.mkdir(parents=True)
        last = fill(home, args.variants, 8)[-1]
        home.skills.mkdir(parents=True, exist_ok=True)
        write(home.skills, args.skills)
        with Runtime(Settings(home=home.path), model=ScriptedModel(script={"": "42"})) as runtime:
            grow_days(runtime, 60)
            token, _ = Tokens(runtime.services.engine).create("bench", [Scope.ADMIN])
            name = next(iter(runtime.skills.each())).name
        pages = [
            "/",
            "/progress",
            "/lineage",
            f"/lineage/{last}",
            "/skills",
            f"/skills/{name}",
            "/runs",
            "/health",
        ]
        found = measure(home.path, token, [*pages, "/approvals"], args.repeat)
    print(
        json.dumps(
            {"variants": args.variants, "skills": args.skills, "load": os.getloadavg()[0], **found}, indent=2
        )
    )


def measure(home: Path, token: str, pages: list[str], repeat: int) -> dict[str, object]:
    """Start a daemon on a home and ask for its pages."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    url = f"http://127.0.0.1:{int(process.stdout.readline())}"
    found: dict[str, object] = {"start_s": round(time.perf_counter() - started, 3)}
    headers = {"Accept": "text/html", "Origin": url, "Sec-Fetch-Site": "same-origin"}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=120) as visitor:
            assert visitor.post("/login", data={"token": token}).status_code == 303
            for page in pages:
                times = [_timed(visitor, page) for _ in range(repeat + 1)]
                label = "/".join(page.split("/")[:2]) + ("/…" if page.count("/") > 1 else "")
                found[label] = {
                    "first_s": round(times[0], 3),
                    "median_s": round(statistics.median(times[1:]), 3),
                }
    finally:
        process.stdin.close()
        process.wait(60)
    return found


def _timed(visitor: httpx.Client, page: str) -> float:
    started = time.perf_counter()
    answer = visitor.get(page)
    assert answer.status_code == 200, (page, answer.status_code, answer.text[:500])
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
