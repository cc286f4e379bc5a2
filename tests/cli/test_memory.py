"""`evolvent memory` as a person uses it: real processes, a real home."""

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
from evolvent.types import LessonState


def evolvent(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-c", "from evolvent.cli import main; main()", *words],
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def data(*words: str) -> Any:
    done = evolvent(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def run(own_home: Path) -> str:
    """Fail one task, which leaves an episode and a worked example; returns the run's id."""
    with Runtime.open(chat_model=ScriptedModel(script={"": "\x1b[31mwrong"})) as runtime:
        task = Task(prompt="Spell the word 'garden' backward.", evaluator="exact", reference="nedrag")
        result = runtime.solve(task)
        words = "Always sort the words by the alphabet and join them with commas and nothing else at all"
        runtime.lessons.keep(words, "Sort these words", [], "r-1")
        runtime.lessons.keep(words + "!", "Sort these words", [], "r-2")
        runtime.lessons.keep("Guess.", "Sort", [], "r-3", state=LessonState.UNPROVEN, reason="beside memory")
        return result.run_id


def test_lessons_are_listed_shown_found_and_forgotten(run: str) -> None:
    assert len(data("memory", "list")) == 4
    (unproven,) = data("memory", "list", "--state", "unproven")
    assert (unproven["text"], unproven["utility"]) == ("Guess.", 0.5)
    (found,) = data("memory", "search", "Spell the word 'window' backward.", "--limit", "1")
    assert "nedrag" in found["text"]
    shown = data("memory", "show", found["id"][:8])
    assert (shown["state"], shown["kind"]) == ("active", "example")
    assert shown["sources"][0] == f"{run}#1"
    text = evolvent("memory", "show", found["id"]).stdout
    assert "0.50: 0 of 0 judged uses passed" in text
    gone = data("memory", "forget", found["id"], "--reason", "it is wrong")
    assert (gone["state"], gone["reason"]) == ("forgotten", "it is wrong")
    assert data("memory", "search", "Spell the word 'window' backward.") == []
    assert "it is wrong" in evolvent("memory", "list", "--state", "forgotten").stdout


def test_a_memory_is_consolidated_by_hand(run: str) -> None:
    (planned,) = data("memory", "consolidate", "--dry-run")
    assert planned["action"] == "merge"
    assert len(data("memory", "list", "--state", "active")) == 3
    assert data("memory", "consolidate") == [planned]
    assert [k["id"] for k in data("memory", "list", "--state", "superseded")] == [planned["lesson_id"]]
    assert data("memory", "consolidate") == []


def test_an_episode_is_shown_in_full_and_steers_no_terminal(run: str) -> None:
    by_attempt = data("memory", "show", f"{run}#1")
    assert data("runs", "show", run, "--episode", "1") == by_attempt
    methods = [e["method"] for e in by_attempt["exchanges"]]
    assert "model.complete" in methods
    text = evolvent("memory", "show", f"{run}#1").stdout
    assert "Spell the word 'garden' backward." in text
    assert "\x1b[31m" not in text
    assert "unknown episode" in evolvent("runs", "show", run, "--episode", "9").stderr


def test_an_empty_home_has_an_empty_memory() -> None:
    assert data("memory", "list") == []
    assert data("memory", "consolidate") == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "--state", "activ"], "did you mean 'active'"),
        (["show", "l-nothing"], "unknown lesson 'l-nothing'"),
        (["show", "r-1#7"], "unknown episode 'r-1#7'"),
        (["forget", "l-nothing", "--reason", "x"], "unknown lesson 'l-nothing'"),
        (["forget", "l-", "--reason", " "], "the reason is empty"),
    ],
)
def test_what_cannot_be_is_said(words: list[str], said: str) -> None:
    done = evolvent("memory", *words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_reading_needs_no_lock_and_forgetting_does(run: str, own_home: Path) -> None:
    with Runtime.open(chat_model=ScriptedModel(script={"": "x"})) as runtime:
        lesson = runtime.lessons.all()[0]
        assert len(data("memory", "list")) == 4
        done = evolvent("memory", "forget", lesson.id, "--reason", "x", EVOLVENT_LOCK_WAIT="0")
        assert "is held by" in done.stderr
        assert runtime.lessons.store.get(lesson.id).state is LessonState.ACTIVE
