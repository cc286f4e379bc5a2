"""Commands, panels and policies of plugins at the command line, and answering what runs ask."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PLUGIN = '''
import sys
from evolvent import hookimpl
from evolvent.types import Modification, Move, PanelData


def hello(name: str = "you"):
    """Say hello to somebody."""
    print(f"hello {name}")


class Events:
    title = "Events by kind"

    def show(self, view):
        kinds = [event.kind for event in view.events()]
        rows = tuple((kind, kinds.count(kind)) for kind in sorted(set(kinds)))
        return PanelData(columns=("kind", "events"), rows=rows, note=f"{len(view.skills())} skills")


class Wrong:
    title = "Wrong"

    def show(self, view):
        raise ValueError("nothing to see")


class First:
    """Always the first."""

    def choose(self, archive, rng):
        return Move(action="expand", variant=archive[0].id)

    def champion(self, archive):
        return archive[0].id


@hookimpl
def register_commands(register):
    register("hello", hello)
    register("from-module", "the_plugin_module:hello")
    register("solve", hello)


@hookimpl
def register_panels(register):
    register("events", Events())
    register("wrong", Wrong())


@hookimpl
def register_policies(register):
    register("first", lambda settings: First())


@hookimpl
def register_operators(register):
    register("nothing", lambda settings: type("Nothing", (), {"propose": lambda self, context: None})())


@hookimpl
def register_executors(register):
    register("broken", lambda settings, workers: 5)


@hookimpl
def register_checks(register):
    def breaks(settings):
        sys.exit("the moon is full")

    register("moon", breaks)
'''


@pytest.fixture
def cli(tmp_path: Path) -> Any:
    """Run `evolvent` where a plugin is installed; returns the finished process."""
    site = tmp_path / "site"
    info = site / "the_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "the_plugin_module.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: the-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[evolvent]\nthe_plugin = the_plugin_module\n")

    def call(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(
            [str(site), *([os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else [])]
        )
        return subprocess.run(
            [sys.executable, "-c", "from evolvent.cli import main; main()", *words],
            env={**os.environ, "COLUMNS": "160", "PYTHONPATH": path, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call


def test_a_plugins_command_is_listed_and_runs(cli: Any) -> None:
    for _ in range(2):  # the second time from the cache
        shown = cli("--help").stdout
        assert "hello" in shown
        assert "Say hello to somebody." in shown
        assert "metrics" in shown
    assert cli("hello", "--name", "Ada").stdout == "hello Ada\n"
    assert cli("from-module").stdout == "hello you\n"
    assert "--name" in cli("hello", "--help").stdout
    assert "Answer one question" in cli("solve", "--help").stdout, "ours cannot be taken"


def test_a_command_of_a_plugin_that_was_disabled_is_gone_and_named(cli: Any) -> None:
    assert "Say hello" in cli("--help").stdout
    cli("plugins", "disable", "the_plugin")
    assert "Say hello" not in cli("--help").stdout
    gone = cli("hello")
    assert gone.returncode == 2
    assert "unknown command 'hello'" in gone.stderr
    assert "the_plugin: disabled" in gone.stderr


def test_a_command_that_nobody_has_is_named_with_the_nearest(cli: Any) -> None:
    done = cli("slove")
    assert done.returncode == 2
    assert "unknown command 'slove'; did you mean 'solve'?" in done.stderr


def test_panels_are_shown(cli: Any) -> None:
    listed = json.loads(cli("panels", "list", "--json").stdout)
    assert {"name": "events", "title": "Events by kind", "plugin": "the_plugin"} in listed
    assert json.loads(cli("panels", "show", "events", "--json").stdout)["rows"] == [], "an empty home"
    wrong = cli("panels", "show", "wrong")
    assert wrong.returncode == 1
    assert "plugin 'the_plugin': panel 'wrong' raised ValueError: nothing to see" in wrong.stderr
    assert "unknown panel 'event'; did you mean 'events'" in cli("panels", "show", "event").stderr


def test_the_doctor_names_what_breaks_its_contract(cli: Any) -> None:
    done = cli("plugins", "doctor", "the_plugin", "--json")
    assert done.returncode == 1
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert checks["first"]["outcome"] == "failed"
    assert "no viable variant" in checks["first"]["reason"] or "viable" in checks["first"]["reason"]
    assert checks["nothing"]["outcome"] == "passed"
    assert checks["broken"]["outcome"] == "failed"
    assert (checks["moon"]["outcome"], "moon is full" in checks["moon"]["reason"]) == ("failed", True)
    assert "unknown plugin 'the_plugn'" in cli("plugins", "doctor", "the_plugn").stderr


def test_new_refuses_what_it_cannot_do(cli: Any, tmp_path: Path) -> None:
    for words, says in (
        (("Word_Count",), "cannot be a plugin's name"),
        (("word-count", "--kind", "moon"), "unknown kind 'moon'; known: tool, evaluator, guard"),
    ):
        done = cli("plugins", "new", *words, "--to", str(tmp_path / "made"))
        assert done.returncode == 2
        assert says in done.stderr
    assert not (tmp_path / "made").exists()
    assert cli("plugins", "new", "word-count", "--to", str(tmp_path / "made")).returncode == 0
    again = cli("plugins", "new", "evolvent-word-count", "--to", str(tmp_path / "made"))
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["evolvent-word-count"]


def test_the_policy_file_is_shown_and_written_once(cli: Any, own_home: Path) -> None:
    shown = cli("approvals", "policy")
    assert "[interactive]" in shown.stdout
    assert "the defaults" in shown.stderr
    assert cli("approvals", "policy", "--write").returncode == 0
    assert (own_home / "approvals.toml").read_text() == shown.stdout
    again = cli("approvals", "policy", "--write")
    assert again.returncode == 2
    assert "is there already" in again.stderr
    (own_home / "approvals.toml").write_text("[interactive]\nmoon = 'allow'\n")
    broken = cli("approvals", "policy")
    assert broken.returncode == 2
    assert "interactive.moon" in broken.stderr


def test_there_is_nothing_to_answer_in_an_empty_home(cli: Any) -> None:
    assert json.loads(cli("approvals", "list", "--json").stdout) == []
    done = cli("approvals", "answer", "a-1", "--approve")
    assert done.returncode == 2
    assert "unknown question 'a-1'" in done.stderr
