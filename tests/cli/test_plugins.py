"""`evolvent plugins` as a person uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys


def plugins(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `evolvent plugins`."""
    return subprocess.run(
        [sys.executable, "-c", "from evolvent.cli import main; main()", "plugins", *words],
        env={**os.environ, "COLUMNS": "160", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_list_shows_what_each_brings() -> None:
    rows = {row["name"]: row for row in json.loads(plugins("list", "--json").stdout)}
    assert rows["sandbox_docker"]["registers"] == {"sandbox": ["docker"]}
    assert rows["evaluators"]["distribution"] == "evolvent"
    assert {row["state"] for row in rows.values()} == {"loaded"}
    assert "all-minilm-l6-v2" in plugins("list").stdout


def test_a_plugin_is_switched_off_and_on() -> None:
    assert "is not loaded any more" in plugins("disable", "suite_file").stderr
    assert json.loads(plugins("show", "suite_file", "--json").stdout)["state"] == "disabled"
    assert "evolvent plugins enable suite_file" in plugins("show", "suite_file").stdout
    assert plugins("enable", "suite_file").returncode == 0
    assert json.loads(plugins("show", "suite_file", "--json").stdout)["state"] == "loaded"


def test_an_unknown_plugin_is_an_error_that_names_those_that_there_are() -> None:
    for word in ("show", "disable", "enable"):
        done = plugins(word, "no_such")
        assert done.returncode == 2
        assert "unknown plugin 'no_such'; known: curricula, embeddings" in done.stderr


def test_the_environment_restricts_what_is_loaded() -> None:
    rows = json.loads(plugins("list", "--json", EVOLVENT_PLUGINS="suite_file").stdout)
    assert [row["name"] for row in rows if row["state"] == "loaded"] == ["suite_file"]
    done = plugins("list", EVOLVENT_PLUGINS="suite_fiel")
    assert done.returncode == 2
    assert "'suite_fiel', which is not installed" in done.stderr
