"""The command line as a person uses it: real processes, real home, exit codes and streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evolvent import Runtime, Task
from evolvent.testing import ScriptedModel


def evolvent(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-c", "from evolvent.cli import main; main()", *words],
        env={**os.environ, "COLUMNS": "160", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def solved(own_home: Path) -> str:
    """Solve one task with a scripted model; returns the run's id."""
    with Runtime.open(chat_model=ScriptedModel(script=["42"])) as runtime:
        return runtime.solve(Task(prompt="What is 6*7?", evaluator="exact", reference="42")).run_id


def test_without_a_command_it_shows_help() -> None:
    done = evolvent()
    for command in ("learn", "solve", "doctor", "skills", "models", "runs", "sandbox"):
        assert command in done.stdout


def test_the_version_is_printed() -> None:
    from evolvent import __version__

    assert evolvent("--version").stdout.strip() == f"evolvent {__version__}"


def test_skills_are_listed_and_shown() -> None:
    listed: list[dict[str, Any]] = json.loads(evolvent("skills", "list", "--json").stdout)
    assert {"roman-numerals", "date-difference", "unit-conversion"} <= {skill["name"] for skill in listed}
    shown = json.loads(evolvent("skills", "show", "roman-numerals", "--json").stdout)
    assert shown["state"] == "active"
    assert "def solve" in shown["script"]
    text = evolvent("skills", "show", "roman-numerals").stdout
    assert "def solve" in text
    assert "Admission" in text


def test_runs_are_listed_and_shown(solved: str) -> None:
    (row,) = json.loads(evolvent("runs", "list", "--json").stdout)
    assert (row["id"], row["status"]) == (solved, "solved")
    shown = json.loads(evolvent("runs", "show", solved, "--json").stdout)
    assert shown["result"]["answer"] == "42"
    assert [a["status"] for a in shown["attempts"]] == ["solved"]
    assert "model.complete" in evolvent("runs", "show", solved[:6]).stdout


def test_models_are_listed_with_the_default_named() -> None:
    found = json.loads(evolvent("models", "list", "--json").stdout)
    assert {"local:qwen2.5-coder-1.5b", "local:smollm2-135m"} <= {model["ref"] for model in found}
    assert "(default)" in evolvent("models", "list").stdout


def test_a_question_that_a_skill_answers_needs_no_model() -> None:
    skill = json.loads(evolvent("skills", "show", "roman-numerals", "--json").stdout)
    case = skill["cases"][0]
    done = evolvent("solve", case["question"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == case["expected"]
    assert "by skill roman-numerals" in done.stderr
    data = json.loads(evolvent("solve", case["question"], "--json").stdout)
    assert data["skills_used"] == ["roman-numerals"]


def test_doctor_names_what_is_missing_and_the_command(tmp_path: Path) -> None:
    done = evolvent("doctor", "--json", EVOLVENT_MODELS_DIR=str(tmp_path / "none"))
    findings = {finding["what"]: finding for finding in json.loads(done.stdout)}
    assert findings["sandbox"]["state"] == "ok"
    assert findings["sandbox interpreter"]["detail"]
    model = findings["model local:qwen2.5-coder-1.5b"]
    assert model["state"] == "missing"
    assert model["mend"] == "evolvent models pull local:qwen2.5-coder-1.5b"
    assert done.returncode == 3
    assert not any(
        finding["what"].startswith("plugin") and finding["state"] != "ok" for finding in findings.values()
    )


def test_recall_of_a_fresh_home_is_empty_and_doctor_names_broken_settings(own_home: Path) -> None:
    done = evolvent("skills", "recall", "--json")
    assert json.loads(done.stdout)["judged"] == 0
    (own_home / "retrieval.json").write_text("{")
    findings = json.loads(evolvent("doctor", "--json").stdout)
    (finding,) = [finding for finding in findings if finding["what"] == "retrieval"]
    assert "retrieval.json cannot be used" in finding["detail"]


def test_doctor_survives_settings_that_cannot_work() -> None:
    done = evolvent("doctor", EVOLVENT_SANDBOX="jail")
    assert "unknown sandbox 'jail'" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "environment", "code", "said"),
    [
        (["skills", "show", "roman-numeral"], {}, 2, "did you mean 'roman-numerals'"),
        (["runs", "show", "r-nothing"], {}, 2, "unknown run 'r-nothing'"),
        (["models", "pull", "local:qwen"], {}, 2, "qwen2.5-coder-1.5b"),
        (["models", "pull", "qwen"], {}, 2, "write provider:name"),
        (["solve"], {}, 2, "give either a question"),
        (["solve", "hello", "--model", "nobody:x"], {}, 2, "unknown model provider 'nobody'"),
        (["learn", "reasoning-gym:nothing"], {}, 2, "nothing"),
        (
            ["learn", "resoning-gym:starter"],
            {},
            2,
            "unknown suite 'resoning-gym'; did you mean 'reasoning-gym'",
        ),
        (["learn", "file:missing.jsonl"], {}, 2, "missing.jsonl"),
        (["solve", "hello"], {"EVOLVENT_SANDBOX": "subprocess"}, 2, "allow_unsafe"),
        (["solve", "hello"], {"EVOLVENT_MODEL_THREADS": "none"}, 2, "model_threads"),
        (["solve", "hello"], {"EVOLVENT_HOME": "/proc/none"}, 2, "EVOLVENT_HOME"),
        (
            ["solve", "Why is the sky blue?"],
            {"EVOLVENT_MODELS_DIR": "/nonexistent"},
            3,
            "evolvent models pull",
        ),
    ],
)
def test_bad_input_gets_a_message_and_an_exit_code(
    words: list[str], environment: dict[str, str], code: int, said: str
) -> None:
    done = evolvent(*words, **environment)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_what_a_model_wrote_cannot_steer_the_terminal(own_home: Path) -> None:
    with Runtime.open(chat_model=ScriptedModel(script=["\x1b[2Jgone [bold]x[/bold]"])) as runtime:
        run_id = runtime.solve("say something").run_id
    shown = evolvent("runs", "show", run_id).stdout
    assert "\x1b" not in shown
    assert "[bold]x[/bold]" in shown


def test_a_second_process_says_who_holds_the_home(own_home: Path) -> None:
    with Runtime.open(chat_model=ScriptedModel(script=[])):
        done = evolvent("solve", "hello", EVOLVENT_LOCK_WAIT="0.2")
    assert done.returncode == 2
    assert f"process {os.getpid()}" in done.stderr
