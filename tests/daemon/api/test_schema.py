"""The OpenAPI document, and whether the daemon keeps to it whatever it is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.daemon.api.serving import Serve, fill

EXAMPLES = 12


def config(**parameters: str) -> str:
    """Return what schemathesis is told: ids that exist, and what a document cannot say."""
    lines = ["[parameters]", *(f'"path.{name}" = {json.dumps(value)}' for name, value in parameters.items())]
    # Which kinds of jobs there are depends on the daemon, and a key may belong to another request.
    lines += ["[[operations]]", 'include-name = "POST /api/v1/jobs"', "[operations.checks]"]
    lines += ['positive_data_acceptance.expected-statuses = ["2xx", "422"]']
    return "\n".join(lines) + "\n"


@pytest.mark.slow
def test_the_daemon_keeps_to_its_document(serve: Serve, tmp_path: Path) -> None:
    served = serve(work=False, daemon_rate=100_000)
    client = served.client("submit")
    made = fill(served.runtime)
    job = client.post("/jobs", json={"payload": {"prompt": "x"}}).json()["id"]
    file = tmp_path / "schemathesis.toml"
    file.write_text(
        config(
            job_id=job,
            run_id=made.run,
            lesson_id=made.lesson,
            variant=made.variants[1],
            approval_id=made.approval,
        )
    )
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(file)),
        *("run", f"{served.url}/api/v1/openapi.json"),
        *("-H", f"Authorization: Bearer {served.token('admin')}"),
        # A stream has no end; test_events.py has it.
        *("--exclude-path", "/api/v1/events"),
        *("--checks", "all", "--max-examples", str(EXAMPLES), "--seed", "7", "--no-color"),
        *("--request-timeout", "60"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert client.get("/health").status_code == 200
