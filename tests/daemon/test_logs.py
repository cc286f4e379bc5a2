"""The log: which job and run a line is about, files that are replaced, text that would forge a line."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.conftest import Home, ask, ended
from typer.testing import CliRunner

from evolvent.cli import app
from evolvent.cli.log_lines import LogFiles
from evolvent.daemon.handlers import HANDLERS
from evolvent.logs import LOG, log_to
from evolvent.practice.job import LearnJob
from evolvent.types import JobRequest

LOGGER = logging.getLogger("evolvent.tests")
FORGED = 'x\n{"event": "forged", "level": "info"}\r\u2028job_id=j-other \x1b[2J'


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["daemon", "logs", *words])


def entries(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "logs" / LOG).read_bytes().splitlines()]


def test_each_line_says_which_job_and_run_it_is_about(home: Home, own_home: Path) -> None:
    daemon = home.daemon(start=False, daemon_free_mb=0)
    real = HANDLERS["solve"].do

    def do(work: Any, given: Any) -> Any:
        LOGGER.warning("in the worker of %s", given.prompt)
        done = real(work, given)
        with work.run("another-run"):
            LOGGER.warning("in the other run of %s", given.prompt)
        return done

    daemon._workers._handlers = {
        **HANDLERS,
        "solve": HANDLERS["solve"].__class__(HANDLERS["solve"].payload, do),
    }
    daemon.start()
    jobs = [ended(daemon, daemon.submit(ask(name))[0]) for name in ("first", "second")]
    LOGGER.warning("in nobody's name")
    found = {entry["event"]: entry for entry in entries(own_home)}
    for job, name in zip(jobs, ("first", "second"), strict=True):
        line = found[f"in the worker of {name}"]
        assert (line["job_id"], line["run_id"]) == (job.id, job.run_id)
        line = found[f"in the other run of {name}"]
        assert (line["job_id"], line["run_id"]) == (job.id, "another-run")
    assert "job_id" not in found["in nobody's name"]
    moved = [entry for entry in entries(own_home) if entry["event"] == "job.moved"]
    assert [entry["state"] for entry in moved if entry["job_id"] == jobs[0].id] == [
        "queued", "running", "finished",
    ]  # fmt: skip

    mine = run("--job", jobs[0].id, "-n", "1000")
    assert "in the worker of first" in mine.stdout
    assert "in the other run of first" in mine.stdout
    assert "of second" not in mine.stdout
    assert "nobody" not in mine.stdout


def test_parallel_work_keeps_the_name_of_its_job(
    home: Home, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A learning job solves its tasks in threads of an executor."""
    real = LearnJob._solve

    def solve(self: Any, part: Any) -> Any:
        LOGGER.warning("solving in %s", threading.current_thread().name)
        return real(self, part)

    monkeypatch.setattr(LearnJob, "_solve", solve)
    suite = own_home.parent / "tasks.jsonl"
    tasks = [
        {"id": f"t{number}", "prompt": f"q{number}", "evaluator": "numeric", "reference": 42, "split": split}
        for number, split in enumerate(["train", "sealed"] * 4)
    ]
    suite.write_text("\n".join(map(json.dumps, tasks)))
    daemon = home.daemon(daemon_free_mb=0, workers=3)
    job = ended(daemon, daemon.submit(JobRequest(kind="learn", payload={"suite": f"file:{suite}"}))[0], 200)
    assert job.state == "finished", job.reason
    lines = [entry for entry in entries(own_home) if entry["event"].startswith("solving in evolvent-worker")]
    assert lines
    assert {entry["job_id"] for entry in lines} == {job.id}


def test_what_a_model_wrote_cannot_forge_a_line(tmp_path: Path, own_home: Path) -> None:
    (own_home / "logs").mkdir(parents=True)
    stop = log_to(own_home / "logs")
    LOGGER.warning("a skill is called %s", FORGED)
    LOGGER.warning(FORGED, exc_info=ValueError(FORGED))
    stop()
    raw = (own_home / "logs" / LOG).read_bytes()
    assert raw.count(b"\n") == 2
    assert raw.isascii()
    assert all(json.loads(line)["logger"] == "evolvent.tests" for line in raw.splitlines())
    for words in ([], ["--json"]):
        shown = run(*words).stdout
        assert shown.count("\n") == 2
        assert "\x1b" not in shown
    assert "forged" not in run("--job", "j-other").stdout


def test_values_with_blanks_are_quoted(own_home: Path) -> None:
    (own_home / "logs").mkdir(parents=True)
    entry = {
        "timestamp": "2026-01-01T00:00:00Z",
        "level": "info",
        "event": "e",
        "title": "a job_id=j-9",
        "n": 1,
    }
    (own_home / "logs" / LOG).write_text(json.dumps(entry) + "\n")
    assert run().stdout == '2026-01-01T00:00:00 info     e title="a job_id=j-9" n=1\n'


def test_old_files_are_read_too_and_no_line_is_missed_when_a_new_one_begins(tmp_path: Path) -> None:
    stop = log_to(tmp_path, megabytes=0.001, files=4)
    files = LogFiles(tmp_path)
    assert not files.exist()
    followed = list(files.further())
    for number in range(60):
        LOGGER.warning("line %d", number)
        if number % 3 == 0:
            followed += files.further()
    followed += files.further()
    stop()
    assert [json.loads(line)["event"] for line in followed] == [f"line {number}" for number in range(60)]
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == [LOG, *(f"{LOG}.{number}" for number in range(1, 5))]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    newest = LogFiles(tmp_path).newest(15)
    assert [json.loads(line)["event"] for line in newest] == [f"line {number}" for number in range(45, 60)]


def test_a_line_that_is_being_written_is_shown_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / LOG
    path.write_bytes(b'{"event": "a"}\n{"eve')
    files = LogFiles(tmp_path)
    assert files.newest(10) == [b'{"event": "a"}']
    with path.open("ab") as file:
        file.write(b'nt": "b"}\n')
    assert list(files.further()) == [b'{"event": "b"}']
