"""The OpenAPI document, and whether the daemon keeps to it whatever it is asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.daemon.api.serving import Serve

EXAMPLES = 12


@pytest.mark.slow
def test_the_daemon_keeps_to_its_document(serve: Serve, tmp_path: Path) -> None:
    served = serve(work=False, daemon_rate=100_000)
    client = served.client("submit")
    for number in range(3):
        client.post("/jobs", json={"payload": {"prompt": str(number)}})
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{served.url}/api/v1/openapi.json"),
        *("-H", f"Authorization: Bearer {served.token('admin')}"),
        # A stream has no end; test_events.py has it.
        *("--exclude-path", "/api/v1/events"),
        *("--checks", "all", "--max-examples", str(EXAMPLES), "--seed", "7", "--no-color"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert client.get("/health").status_code == 200
