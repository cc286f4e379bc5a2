"""Plugins of others: built as wheels, installed beside Evolvent's wheel, driven through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "tests" / "example_plugin"


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=240, check=False, **options
    )


def wheel(source: Path, out: Path) -> Path:
    done = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Evolvent's wheel."""
    return wheel(ROOT, tmp_path_factory.mktemp("evolvent"))


def environment_of(folder: Path, *wheels: Path) -> Path:
    """Make a virtual environment with wheels; what they depend on comes from the environment of the tests."""
    venv.create(folder, with_pip=False)
    binaries = folder / "bin"
    (site,) = (folder / "lib").glob("python*/site-packages")
    pip = (sys.executable, "-m", "pip", "--python", binaries / "python", "install", "--quiet")
    done = run(*pip, "--no-deps", "--no-index", *wheels)
    assert done.returncode == 0, done.stderr
    # A plain path: the .pth file of an editable Evolvent over there is not followed.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = run(binaries / "python", "-c", "import evolvent; print(evolvent.__file__)")
    assert str(site) in where.stdout, where.stderr
    return binaries


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, built: Path) -> Path:
    """A new virtual environment with Evolvent and the example plugin."""
    folder = tmp_path_factory.mktemp("example")
    return environment_of(folder / "venv", built, wheel(SOURCE, folder / "wheels"))


@pytest.fixture
def evolvent(environment: Path, tmp_path: Path) -> Any:
    """Run `evolvent` of that environment; returns what it printed as JSON, or the finished process."""

    def call(*arguments: str | Path, ok: int = 0, **variables: str) -> Any:
        done = run(environment / "evolvent", *arguments, env={**os.environ, **variables}, cwd=tmp_path)
        assert done.returncode == ok, done.stdout + done.stderr
        return json.loads(done.stdout) if "--json" in arguments else done

    return call


def test_it_is_there_after_pip_install(evolvent: Any) -> None:
    infos = {info["name"]: info for info in evolvent("plugins", "list", "--json")}
    mine = infos["example"]
    assert (mine["distribution"], mine["version"], mine["state"]) == ("evolvent-example", "1.2.0", "loaded")
    assert mine["registers"] == {
        "model provider": ["counting"],
        "evaluator": ["close"],
        "suite": ["letters"],
        "tool": ["letters"],
        "strategy": ["note-taker"],
        "policy": ["youngest"],
        "self-check": ["arithmetic"],
    }
    assert {"review_modification", "review_skill", "review_tool_call"} <= set(mine["hooks"])
    assert [info["name"] for info in infos.values() if info["state"] != "loaded"] == []
    assert "evolvent-example 1.2.0" in evolvent("plugins", "show", "example").stdout


def test_it_keeps_its_contracts(evolvent: Any) -> None:
    checks = evolvent("plugins", "doctor", "example", "--json")
    assert [check for check in checks if check["outcome"] != "passed"] == []
    assert {"tool", "evaluator", "suite", "policy", "strategy", "model provider", "self-check"} <= {
        check["kind"] for check in checks
    }


def test_its_policy_is_listed(evolvent: Any) -> None:
    listed = {policy["name"]: policy for policy in evolvent("policies", "list", "--json")}
    assert listed["youngest"]["plugin"] == "example"
    assert {"random", "dgm", "dgm-h"} <= listed.keys()


def test_its_suite_model_and_evaluator_make_a_learning_job(evolvent: Any) -> None:
    report = evolvent(
        "learn", "letters:small", "--model", "counting:v1", "--held-out", "2", "--practise", "1", "--json"
    )
    assert report["suite"] == "letters:small"
    assert (report["held_out"]["before"], report["held_out"]["after"]) == (1.0, 1.0)


def test_its_tool_is_called_when_a_person_approves_and_its_guard_can_forbid_it(
    evolvent: Any, own_home: Path
) -> None:
    given = ("--model", "counting:v1", "--strategy", "note-taker")
    waiting = evolvent("solve", "remember the milk", *given, "--json", ok=1)
    assert waiting["status"] == "waiting"
    (asked,) = evolvent("approvals", "list", "--json")
    assert asked["subject"]["tool"] == "letters.note"
    assert not (own_home / "notes.txt").exists()
    done = evolvent("approvals", "answer", asked["id"], "--approve", "--json")  # as the run began
    assert (done["status"], done["answer"]) == ("answered", "noted")
    assert (own_home / "notes.txt").read_text() == "remember the milk\n"
    rude = evolvent("solve", "something rude", *given, ok=1)
    assert "example rejects 'letters.note': the note is rude" in rude.stderr
    assert (own_home / "notes.txt").read_text() == "remember the milk\n"


def test_its_guard_reviews_a_change_of_the_agent_program(evolvent: Any, tmp_path: Path) -> None:
    folder = tmp_path / "genome"
    evolvent("genome", "export", folder)
    (folder / "prompts" / "answer.md").write_text("Be rude.\n")
    decision = evolvent("genome", "review", folder, "--json", ok=1)
    assert (decision["verdict"], decision["by"]) == ("reject", "example")
    (folder / "prompts" / "answer.md").write_text("Answer in one word.\n")
    assert evolvent("genome", "review", folder, "--json")["verdict"] == "approve"
    (folder / "pandas.py").write_text("x = 1\n")
    assert evolvent("genome", "review", folder, "--json", ok=1)["by"] == "kernel"


def test_without_it_what_it_brings_is_asked_for_by_name(evolvent: Any) -> None:
    evolvent("plugins", "disable", "example")
    refused = evolvent("learn", "letters:small", "--model", "counting:v1", ok=2)
    assert "unknown model provider 'counting'" in refused.stderr
    assert "example: disabled" in refused.stderr
    evolvent("plugins", "enable", "example")
    restricted = evolvent("plugins", "list", "--json", EVOLVENT_PLUGINS="example")
    assert {info["name"] for info in restricted if info["state"] == "loaded"} == {"example"}


def test_every_call_of_its_hooks_can_be_traced(evolvent: Any) -> None:
    done = evolvent("plugins", "list", "--json", EVOLVENT_TRACE_PLUGINS="1", EVOLVENT_PLUGINS="example")
    assert done
    traced = evolvent("plugins", "show", "example", EVOLVENT_TRACE_PLUGINS="1")
    assert "plugin example: register_tools done in" in traced.stderr


@pytest.mark.parametrize("kind", ["tool", "evaluator", "guard"])
def test_a_new_plugin_installs_and_its_tests_pass_as_generated(
    built: Path, environment: Path, tmp_path: Path, kind: str
) -> None:
    made = run(environment / "evolvent", "plugins", "new", "my-first", "--kind", kind, "--to", tmp_path)
    assert made.returncode == 0, made.stderr
    package = Path(made.stdout.strip())
    assert package == tmp_path / "evolvent-my-first"
    assert not [path.name for path in package.rglob("*.in")]
    binaries = environment_of(tmp_path / "venv", built, wheel(package, tmp_path / "wheels"))
    tested = run(binaries / "python", "-m", "pytest", "-q", cwd=package)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "my_first" in run(binaries / "evolvent", "plugins", "list", "--json").stdout
    linted = run(
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--line-length",
        "120",
        "--select",
        "E,F,I,B",
        package,
    )
    assert linted.returncode == 0, linted.stdout
