"""The client: what a program or the command line sees of a daemon."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading
import time
from pathlib import Path

import pytest
from tests.daemon.api.serving import Serve, Served
from tests.runtime.test_approvals import CAREFUL, Post

from evolvent.client import Client
from evolvent.errors import MissingPrerequisite, RunError, UnknownName, UsageError
from evolvent.storage import local_token
from evolvent.storage.place import Place, forget
from evolvent.types import JobMoved, JobRequest, JobState, RunStarted


def write(served: Served, number: int) -> None:
    served.runtime.ledger.append(RunStarted(key=f"k{number}", run_id="r", job="solve", title=str(number)))


def test_it_submits_waits_lists_and_cancels(serve: Serve) -> None:
    served = serve()
    with Client(served.url, served.token("admin")) as client:
        job = client.submit("What is 6 times 7?", wait=30)
        assert job.state is JobState.FINISHED
        assert isinstance(job.result, dict)
        assert job.result["answer"] == "42"
        assert client.submit("6 times 7?", key="k").id == client.submit("6 times 7?", key="k").id
        client.pause("a look")
        assert client.status().why_paused == "a look"
        waiting = client.submit(JobRequest(payload={"prompt": "x"}, priority=-5))
        assert client.cancel(waiting.id).state is JobState.CANCELLED
        assert client.get(waiting.id[:9]).priority == -5
        assert client.list(state=JobState.CANCELLED) == [client.get(waiting.id)]
        with pytest.raises(RunError, match=r"after 0\.1 s"):
            client.submit("y", wait=0.1)
        assert client.resume().state == "running"
        assert len(client.list()) == 4
        assert len(client.list(limit=2)) == 2


def test_errors_are_the_projects_with_the_daemons_text(served: Served) -> None:
    with Client(served.url, served.token("submit")) as client:
        known = client.submit("x").id
        with pytest.raises(UnknownName, match="unknown job 'j-none'") as lost:
            client.get("j-none")
        assert lost.value.known == [known]
        with pytest.raises(UnknownName):
            client.get("")
        with pytest.raises(UsageError, match="only one that is dead"):
            client.retry(known)
        with pytest.raises(UsageError, match="scope admin"):
            client.pause("x")
        with pytest.raises(UnknownName, match="dance"):
            client.submit(JobRequest(kind="dance"))
    with Client(served.url, "evo_wrong") as client, pytest.raises(UsageError, match="tokens create"):
        client.status()


def test_a_daemon_that_is_not_there_is_named(served: Served) -> None:
    url = served.url
    served.stop()
    with Client(url, "evo_x") as client:
        with pytest.raises(RunError, match="evolvent daemon start"):
            client.status()
        with pytest.raises(RunError, match="does not answer"):
            next(client.events())


def test_it_finds_the_local_token_and_the_settings_port(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVOLVENT_DAEMON_PORT", str(served.server.port))
    with pytest.raises(MissingPrerequisite, match=r"daemon\.token"):
        Client()
    local_token(served.runtime.home.token, served.tokens)
    with Client() as client:
        assert client.status().state == "running"


def test_it_answers_what_a_job_waits_for(serve: Serve) -> None:
    post = Post()
    served = serve(agent=CAREFUL, plugins=[post])
    with Client(served.url, served.token("admin")) as client:
        job = client.submit("Send hello.", wait=30)
        assert job.state is JobState.WAITING
        (question,) = client.approvals()
        client.answer(question.id, "approve")
        assert client.wait(job.id, 30).state is JobState.FINISHED
        assert client.approvals() == ()
        assert len(client.approvals(pending=False)) == 1
        with pytest.raises(UsageError, match="already answered"):
            client.answer(question.id, "reject")
    assert post.sent == ["hello"]


def test_events_go_on_over_a_restart_of_the_daemon(serve: Serve) -> None:
    served = serve(work=False)
    port = served.server.port
    found: list[str] = []
    begun = threading.Event()

    def listen(client: Client) -> None:
        for _, event in client.events(kinds=["run.started"], after=0):
            assert isinstance(event, RunStarted)
            found.append(event.title)
            begun.set()
            if event.title == "last":
                return

    with Client(served.url, served.token("read"), retry=30) as client:
        thread = threading.Thread(target=listen, args=(client,))
        thread.start()
        write(served, 1)
        assert begun.wait(10)
        write(served, 2)
        served.stop()
        write(served, 3)
        again = serve(work=False, port=port)
        write(again, 4)
        again.runtime.ledger.append(RunStarted(key="end", run_id="r", job="solve", title="last"))
        thread.join(20)
        assert not thread.is_alive()
    assert found == ["1", "2", "3", "4", "last"]


def test_events_of_a_job_tell_its_states(serve: Serve) -> None:
    served = serve()
    with Client(served.url, served.token("submit")) as client:
        job = client.submit("x")
        events = client.events(0, kinds=["job.moved"], run_id=job.run_id)
        states = [event.state for _, event in itertools.islice(events, 3) if isinstance(event, JobMoved)]
        assert states == ["queued", "running", "finished"]
        with pytest.raises(UsageError, match="after the newest event"):
            next(client.events(10_000))


def test_who_is_told_to_come_back_comes_back(serve: Serve) -> None:
    served = serve(work=False, daemon_rate=4)
    with Client(served.url, served.token("read")) as client:
        began = time.monotonic()
        for _ in range(14):
            client.status()
        assert time.monotonic() - began > 1.0


def test_importing_it_loads_no_runtime() -> None:
    import subprocess
    import sys

    heavy = ("torch", "langgraph", "fastapi", "sqlalchemy")
    code = f"import evolvent.client, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_the_client_finds_the_daemon_of_its_home(
    serve: Serve, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon took any free port, which only its own file tells."""
    served = serve()
    home = served.runtime.home
    local_token(home.token, served.tokens)
    Place(pid=os.getpid(), url=served.url, started_at="").save(home)
    with Client() as client:
        assert client.url == served.url
        assert client.status().state == "running"
    forget(home)
    monkeypatch.setenv("EVOLVENT_DAEMON_PORT", "9")
    with Client() as client:
        assert client.url == "http://127.0.0.1:9"


def test_a_proxy_of_the_environment_does_not_get_the_token(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def listen() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = proxy.accept()
                    heard.append(connection.recv(4096))
                    connection.close()

        threading.Thread(target=listen, daemon=True).start()
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with Client(served.url, served.token("read")) as client:
            assert client.status().state == "running"
        proxy.shutdown(socket.SHUT_RDWR)
    assert heard == []
