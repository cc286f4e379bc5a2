"""kill -9 in the middle of a consolidation: the next one ends like one that was never interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("crashing_consolidation.py")


def run(folder: Path, kill_at: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), str(folder), str(kill_at)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> str:
    done = run(tmp_path_factory.mktemp("whole"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"superseded"') == 3
    assert done.stdout.count('"forgotten"') == 4
    return done.stdout


@pytest.mark.parametrize("place", [1, 3, 5, 6, 9])
def test_a_killed_pass_is_finished_by_the_next_one(tmp_path: Path, uninterrupted: str, place: int) -> None:
    killed = run(tmp_path, place)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = run(tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.stdout == uninterrupted
    assert run(tmp_path).stdout == uninterrupted, "a second pass finds nothing to do"
