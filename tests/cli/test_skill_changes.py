"""`evolvent skills`: history, differences, trials, and what people decide."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evolvent.held_library import held_library
from evolvent.library.format import draft
from evolvent.settings import Settings
from evolvent.storage import Ledger, SkillTrials, open_database
from evolvent.types import (
    AdmissionReport,
    Attempt,
    SkillProposal,
    StageResult,
    TaskView,
    Usage,
    Verdict,
)


def evolvent(*args: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    command = [sys.executable, "-c", "from evolvent.cli import main; main()", *args]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def skill(body: str) -> Any:
    script = "def solve(question):\n    return question[::-1]\n"
    return draft(SkillProposal(name="backward", description="Spells backward.", body=body, script=script))


@pytest.fixture
def two_versions() -> list[str]:
    """A home with a skill that was replaced once; returns the digests, old and new."""
    digests = []
    with held_library(Settings()) as library:
        for body in ("# First\n", "# Second\n"):
            version = skill(body)
            stage = StageResult(stage="tests", passed=True, reason="8 of 8 cases right")
            report = AdmissionReport(name=version.name, digest=version.digest, admitted=True, stages=(stage,))
            digests.append(library.store.add(version, report).digest)
    return digests


def test_the_history_names_versions_and_moves(two_versions: list[str]) -> None:
    old, new = two_versions
    shown = json.loads(evolvent("skills", "history", "backward", "--json").stdout)
    assert [(v["digest"], v["present"]) for v in shown] == [(new, True), (old, False)]
    assert shown[0]["moves"][0]["reason"] == "8 of 8 cases right"
    text = evolvent("skills", "history", "backward").stdout
    assert "candidate → probation" in text
    assert f"{new} (present)" in text


def test_the_difference_of_two_versions_is_a_patch(two_versions: list[str]) -> None:
    old, new = two_versions
    done = evolvent("skills", "diff", "backward")
    assert f"--- {old}/SKILL.md" in done.stdout
    assert f"+++ {new}/SKILL.md" in done.stdout
    assert "-# First" in done.stdout
    assert "+# Second" in done.stdout
    assert "/scripts/solve.py" not in done.stdout, "the same in both"
    assert evolvent("skills", "diff", "backward", new[:5], new).stdout == ""
    wrong = evolvent("skills", "diff", "backward", "zzz")
    assert wrong.returncode == 2
    assert "unknown version of 'backward'" in wrong.stderr.lower()


def test_rolling_back_is_one_command(two_versions: list[str]) -> None:
    old, new = two_versions
    done = evolvent("skills", "rollback", "backward", "--reason", "the second is slow")
    assert (done.returncode, done.stdout) == (0, "")
    assert f"backward {old}: probation" in done.stderr
    shown = json.loads(evolvent("skills", "show", "backward", "--json").stdout)
    assert (shown["digest"], shown["reason"]) == (old, "the second is slow")
    engine = open_database(Settings().home / "evolvent.db")
    moves = [e for e in Ledger(engine).events() if e.kind == "skill.moved"]
    engine.dispose()
    assert moves[-1].by == "person"
    assert moves[-1].evidence == {"replaces": new}


def test_a_skill_is_pinned_and_let_go(two_versions: list[str]) -> None:
    assert evolvent("skills", "pin", "backward").returncode == 0
    assert "probation, pinned" in evolvent("skills", "list").stdout
    assert evolvent("skills", "pin", "backward", "--off").returncode == 0
    assert "pinned" not in evolvent("skills", "list").stdout


def test_retiring_needs_a_reason_and_keeps_the_folder(two_versions: list[str]) -> None:
    missing = evolvent("skills", "retire", "backward")
    assert missing.returncode == 2
    assert "--reason" in missing.stderr
    assert evolvent("skills", "retire", "backward", "--reason", "wrong on umlauts").returncode == 0
    listed = json.loads(evolvent("skills", "list", "--json").stdout)
    (found,) = [s for s in listed if s["name"] == "backward"]
    assert (found["state"], found["reason"]) == ("retired", "wrong on umlauts")
    assert (Path(Settings().home) / "skills" / "backward" / "SKILL.md").is_file()


def test_a_person_releases_what_an_audit_quarantined(two_versions: list[str]) -> None:
    refused = evolvent("skills", "release", "backward", "--reason", "harmless")
    assert refused.returncode == 2
    assert "not quarantined" in refused.stderr
    note = Path(Settings().home) / "skills" / "backward" / "tests" / "note.txt"
    note.write_text("password = hunter2hunter2")
    found = json.loads(evolvent("skills", "audit", "--json").stdout)
    assert any(f["kind"] == "secret" and "quarantined now" in f["what"] for f in found)
    assert evolvent("skills", "release", "backward", "--reason", "an example").returncode == 0
    (listed,) = [
        s for s in json.loads(evolvent("skills", "list", "--json").stdout) if s["name"] == "backward"
    ]
    assert (listed["state"], listed["reason"]) == ("probation", "an example")


def test_changes_wait_for_whoever_holds_the_home(two_versions: list[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("EVOLVENT_LOCK_WAIT", "0.1")
    with held_library(Settings()):
        done = evolvent("skills", "pin", "backward")
    assert done.returncode == 2
    assert "is held by" in done.stderr


def test_trials_say_what_is_known(two_versions: list[str]) -> None:
    text = evolvent("skills", "trials", "backward").stdout
    assert "not known yet" in text
    engine = open_database(Settings().home / "evolvent.db")
    trials = SkillTrials(engine)
    for number in range(20):
        arm = trials.draw(f"a{number}", "t", "backward", two_versions[1], 0.5, seed=0)
        score = float(arm == "with")
        verdict = Verdict(score=score, passed=score == 1, evaluator="exact")
        task = TaskView(id="t", prompt="?")
        usage = Usage(output_tokens=0 if score else 200, seconds=1.0)
        trials.close(
            Attempt(
                id=f"a{number}",
                run_id="r",
                task=task,
                number=1,
                status="solved",
                verdict=verdict,
                usage=usage,
            )
        )
    engine.dispose()
    shown = json.loads(evolvent("skills", "trials", "backward", "--json").stdout)
    assert shown["drawn"] == 20
    assert shown["tokens_saved"]["mean"] == 200
    assert shown["effect_interval"][0] > 0
    assert shown["helps"] > 20
    text = evolvent("skills", "trials", "backward").stdout
    assert "+200" in text
    assert "it helps" in text


def test_an_audit_of_a_healthy_library_finds_nothing(two_versions: list[str]) -> None:
    done = evolvent("skills", "audit", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])
    assert "0 left to do" in done.stderr


def test_an_audit_mends_names_and_exits_with_1(two_versions: list[str]) -> None:
    home = Path(Settings().home)
    (home / "skills" / "backward" / "SKILL.md").unlink()
    (home / "skills" / "notes.txt").write_text("x")
    done = evolvent("skills", "audit", "--json")
    assert done.returncode == 1
    found = {finding["kind"]: finding for finding in json.loads(done.stdout)}
    assert set(found) == {"repaired", "orphaned"}
    assert found["repaired"]["mended"]
    assert "notes.txt" in found["orphaned"]["what"]
    (home / "skills" / "notes.txt").unlink()
    again = evolvent("skills", "audit")
    assert again.returncode == 0


def test_the_tests_of_a_skill_are_run_again() -> None:
    done = evolvent("skills", "test", "roman-numerals", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["roman-numerals"]
    assert len(found) == 10
    assert all(outcome["passed"] for outcome in found)
    text = evolvent("skills", "test").stdout
    assert "unit-conversion" in text
    assert evolvent("skills", "audit", "--retest").returncode == 0


def test_a_skill_is_exported_and_signed(tmp_path: Path) -> None:
    done = evolvent("skills", "export", "roman-numerals", "--to", str(tmp_path / "out"), "--sign")
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["roman-numerals", "roman-numerals.sha256", "roman-numerals.sha256.minisig"]
    assert "signed; whoever trusts it names this key: RW" in done.stderr
    again = evolvent("skills", "export", "roman-numerals", "--to", str(tmp_path / "out"))
    assert again.returncode == 2
    assert "--force" in again.stderr
