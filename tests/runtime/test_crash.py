"""kill -9 at every boundary: nothing that was acknowledged is lost, nothing is done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("crashing_solve.py")
NODES = ("recall", "solve", "verify", "reflect", "solve", "verify", "learn", "finish")
"""What a solve with one failed and one right attempt goes through."""


def run(home: Path, kill_at: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program, which kills itself with signal 9 at the place that `kill_at` names."""
    environment = {**os.environ, "EVOLVENT_HOME": str(home), "KILL_AT": kill_at}
    return subprocess.run(
        [sys.executable, str(PROGRAM)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = run(tmp_path_factory.mktemp("whole"))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["result"]["status"] == "solved"
    assert found["model_calls"] == 2
    return found


PLACES = [f"node:{number}" for number in range(1, len(NODES) + 1)]
PLACES += [f"checkpoint:{number}" for number in range(1, len(NODES) + 1)]
PLACES += [f"broker:{number}" for number in range(1, 6)] + ["before-model:1", "before-model:2"]


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_killed_run_ends_like_an_uninterrupted_one(
    tmp_path: Path, uninterrupted: dict[str, Any], place: str
) -> None:
    killed = run(tmp_path, place)
    assert killed.returncode == -signal.SIGKILL, (killed.returncode, killed.stderr)
    resumed = run(tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout.splitlines()[-1]) == uninterrupted
