"""`evolvent sandbox` as a person uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


def sandbox(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `evolvent sandbox`, with no Docker engine in reach unless one is given."""
    return subprocess.run(
        [sys.executable, "-c", "from evolvent.cli import main; main()", "sandbox", *words],
        env={**os.environ, "COLUMNS": "160", "DOCKER_HOST": "unix:///no/engine.sock", **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_list_says_which_is_used_and_what_mends_the_others() -> None:
    done = sandbox("list", "--json", EVOLVENT_SANDBOX="auto")
    rows = {row["sandbox"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 0
    assert rows["bubblewrap"]["state"] == "used"
    assert rows["docker"]["state"] == "missing"
    assert "no Docker engine answers" in rows["docker"]["detail"]
    assert "DOCKER_HOST" in rows["docker"]["mend"]
    assert rows["subprocess"]["state"] == "refused"


@pytest.mark.slow
def test_check_runs_the_contract_and_the_ordinary_programs() -> None:
    done = sandbox("check", "bubblewrap", "--json")
    assert done.returncode == 0, done.stderr
    checks = json.loads(done.stdout)["checks"]
    assert {check["kind"] for check in checks} == {"contract", "benign"}
    assert len([check for check in checks if check["kind"] == "benign"]) >= 30
    assert all(check["passed"] for check in checks)
    assert json.loads(done.stdout)["sandbox"]["backend"] == "bubblewrap"


def test_attacks_are_not_run_where_nothing_isolates() -> None:
    done = sandbox("check", "subprocess", "--attacks", EVOLVENT_ALLOW_UNSAFE="true")
    assert done.returncode == 2
    assert "isolates nothing, and the attacks are real" in done.stderr


def test_an_unknown_backend_is_named_with_those_that_there_are() -> None:
    done = sandbox("check", "bubblewarp")
    assert done.returncode == 2
    assert "'bubblewarp'" in done.stderr
    assert "bubblewrap" in done.stderr


def test_only_what_needs_building_is_built() -> None:
    done = sandbox("build", "bubblewrap")
    assert done.returncode == 2
    assert "needs nothing built" in done.stderr


def test_building_without_an_engine_says_how_to_get_one() -> None:
    done = sandbox("build")
    assert done.returncode == 3
    assert "no Docker engine answers at unix:///no/engine.sock" in done.stderr
    assert "systemctl start docker" in done.stderr
