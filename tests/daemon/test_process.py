"""The daemon's process: one a home, told what is wrong at once, drained when it is told to end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.daemon.conftest import ask, until
from typer.testing import CliRunner

from evolvent.cli import app
from evolvent.daemon.access import open_jobs
from evolvent.daemon.place import FILE, Place, find
from evolvent.settings import Settings
from evolvent.storage import Home, JobQueue, Ledger, open_database
from evolvent.types import JobState


@pytest.fixture
def own(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVOLVENT_DAEMON_PORT", "0")
    monkeypatch.setenv("EVOLVENT_DAEMON_FREE_MB", "0")
    return own_home


@pytest.fixture
def started(own: Path) -> Iterator[Any]:
    """Start the bench's daemon: real in everything but the model."""
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.killed_daemon"],
            env=dict(os.environ),
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        processes.append(process)
        until(lambda: find(Home(own)) or process.poll() is not None, 120)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def run(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def heaps(process: int) -> int:
    """Return how many heaps a process's threads have beside the first: glibc reserves 64 MiB at a multiple of that."""
    size, found, before = 64 * 2**20, 0, (0, 0, "")
    for line in Path(f"/proc/{process}/maps").read_text().splitlines():
        begin, end = (int(part, 16) for part in line.split()[0].split("-"))
        rights = line.split()[1]
        whole = before[1] == begin and end - before[0] == size and before[0] % size == 0
        found += whole and (before[2], rights) == ("rw-p", "---p")
        before = (begin, end, rights)
    return found


def said(result: Any) -> str:
    return " ".join(result.stderr.split())


@pytest.mark.slow
def test_a_daemon_from_its_start_to_its_end(started: Any, own: Path) -> None:
    waiting = json.loads(run("submit", "before it starts", "--json").stdout)
    assert waiting["state"] == "queued"
    assert run("daemon", "status").exit_code == 1
    process = started()
    place = find(Home(own))
    assert place is not None
    assert place.pid == process.pid
    assert heaps(process.pid) <= 2
    assert (own / "daemon.token").stat().st_mode & 0o777 == 0o600

    asked = run("submit", "now", "--wait")
    assert asked.exit_code == 1
    assert "is waiting: a person must decide" in said(asked)
    for question in until(
        lambda: len(found := json.loads(run("approvals", "list", "--json").stdout)) == 2 and found
    ):
        told = run("approvals", "answer", question["id"], "--approve")
        assert told.exit_code == 0
        assert f"the daemon goes on with {question['run_id']}" in said(told)
    newest = json.loads(run("jobs", "list", "--json").stdout)[0]
    answered = run("jobs", "show", newest["id"], "--wait")
    assert (answered.exit_code, answered.stdout.strip()) == (0, "done")
    assert json.loads(run("jobs", "show", waiting["id"], "--wait", "--json").stdout)["state"] == "finished"
    listed = json.loads(run("jobs", "list", "--json").stdout)
    assert [job["state"] for job in listed] == ["finished", "finished"]
    status = json.loads(run("daemon", "status", "--json").stdout)
    assert (status["pid"], status["state"], status["jobs"]["finished"]) == (process.pid, "running", 2)
    assert "daemon.changed what=started" in run("daemon", "logs").stdout

    second = run("daemon", "start")
    assert second.exit_code == 2
    assert f"runs already: process {process.pid}" in said(second)
    foreground = run("daemon", "start", "--foreground")
    assert foreground.exit_code == 2
    assert "use another EVOLVENT_HOME" in said(foreground)

    unknown = run("jobs", "show", "j-nothing")
    assert unknown.exit_code == 2
    assert "unknown job 'j-nothing'" in said(unknown)
    assert run("daemon", "stop").exit_code == 0
    assert process.wait(30) == 0
    assert not (own / FILE).exists()
    assert run("daemon", "stop").exit_code == 0


@pytest.mark.slow
def test_sigterm_gives_running_jobs_back(started: Any, own: Path) -> None:
    own.mkdir(parents=True, exist_ok=True)
    (own / "approvals.toml").write_text('[daemon]\nwrites_files = "allow"\n')
    process = started()
    jobs = open_jobs(Settings())
    first = jobs.submit(ask("loads the embedder"))
    until(lambda: jobs.get(first.id).state.ended, 120)
    for number in range(20):
        jobs.submit(ask(f"q{number}"))
    until(lambda: jobs.list(JobState.RUNNING, None, 10))
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 0
    engine = open_database(Home(own).database)
    counts = JobQueue(engine, Ledger(engine)).counts()
    engine.dispose()
    assert counts[JobState.RUNNING] == counts[JobState.DEAD] == 0
    assert counts[JobState.QUEUED] > 0
    assert counts[JobState.QUEUED] + counts[JobState.FINISHED] == 21


def test_a_file_that_a_kill_left_behind_is_no_daemon(own: Path) -> None:
    home = Home(own)
    home.create()
    Place(pid=os.getpid(), url="http://127.0.0.1:1", started_at="").save(home)
    (own / "writer.json").write_text(json.dumps({"pid": os.getpid()}))
    assert find(home) is None
    home.acquire(0)
    assert find(home) is not None
    (own / "writer.json").write_text("damaged")
    assert find(home) is None
    home.release()


def test_those_who_look_for_a_daemon_do_not_take_each_other_for_one(own: Path) -> None:
    home, over = Home(own), threading.Event()
    home.acquire(0)
    home.release()
    Place(pid=os.getpid(), url="http://127.0.0.1:1", started_at="").save(home)

    def look() -> None:
        while not over.wait(0.0005):
            find(Home(own))

    others = [threading.Thread(target=look) for _ in range(4)]
    for other in others:
        other.start()
    try:
        assert not any(find(home) for _ in range(3_000))
        for _ in range(20):  # who wants to write is not kept out by them either
            home.acquire(0)
            assert find(Home(own)) is not None
            home.release()
    finally:
        over.set()
        for other in others:
            other.join()


def test_a_taken_port_is_said_at_once(own: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("daemon", "start", "--foreground", "--port", str(port))
    assert result.exit_code == 2
    assert f"port {port} of '127.0.0.1' is taken" in said(result)
    assert "--port" in said(result)


@pytest.mark.parametrize(
    ("host", "says"),
    [("203.0.113.7", "cannot listen on '203.0.113.7'"), ("no such host", "cannot listen on 'no such host'")],
)
def test_an_address_of_another_machine_is_refused(own: Path, host: str, says: str) -> None:
    result = run("daemon", "start", "--foreground", "--host", host)
    assert result.exit_code == 2
    assert says in said(result)


def test_a_home_that_cannot_be_written_is_said(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("a file")
    for words in (["daemon", "start"], ["daemon", "start", "--foreground"], ["submit", "x"]):
        result = run(*words)
        assert result.exit_code == 2
        assert "set EVOLVENT_HOME to a folder that you may write to" in said(result)


def test_the_background_process_tells_why_it_did_not_start(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVOLVENT_DAEMON_IDLE", "dance")
    result = run("daemon", "start", "--model", "openai:x")
    assert result.exit_code == 2
    assert "the daemon did not start: unknown work for idle time 'dance'" in said(result)


def test_without_a_daemon_jobs_are_queued_cancelled_and_listed(own: Path) -> None:
    job = json.loads(run("submit", "later", "--key", "k", "--json").stdout)
    assert json.loads(run("submit", "later", "--key", "k", "--json").stdout)["id"] == job["id"]
    other = run("submit", "something else", "--key", "k")
    assert other.exit_code == 2
    assert "belongs to the job" in said(other)
    assert run("submit", "").exit_code == 2
    assert "is cancelled" in said(run("jobs", "cancel", job["id"]))
    retried = run("jobs", "retry", job["id"])
    assert retried.exit_code == 2
    assert "only one that is dead" in said(retried)
    assert job["id"] in run("jobs", "list", "--state", "cancelled", "--json").stdout
    assert "unknown state of jobs 'gone'" in said(run("jobs", "list", "--state", "gone"))
    assert "later" in run("jobs", "show", job["id"]).stdout


def test_the_files_for_supervisors(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import configparser

    import yaml

    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(run("daemon", "unit").stdout)
    assert unit["Service"]["ExecStart"] == f"{sys.executable} -m evolvent daemon start --foreground"
    assert unit["Service"]["Environment"] == f"EVOLVENT_HOME={own}"
    assert unit["Install"]["WantedBy"] == "default.target"
    assert "multi-user.target" in run("daemon", "unit", "--system").stdout
    compose = yaml.safe_load(run("daemon", "compose").stdout)
    service = compose["services"]["evolvent"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["stop_grace_period"] == "60s"


def test_a_link_to_the_dashboard_needs_a_daemon(own: Path, started: Any) -> None:
    nobody = run("dashboard")
    assert nobody.exit_code == 2
    assert "evolvent daemon start" in nobody.stderr
    started()
    place = find(Home(own))
    assert place is not None
    given = json.loads(run("dashboard", "--json").stdout)
    assert given["url"].startswith(f"{place.url}/login#")
    assert given["seconds"] == 60
    code = given["url"].partition("#")[2]
    with httpx.Client(base_url=place.url, headers={"Origin": place.url}) as visitor:
        assert visitor.post("/login", data={"token": code}).status_code == 303
        assert visitor.get("/health").status_code == 200
        assert visitor.post("/login", data={"token": code}).status_code == 401
