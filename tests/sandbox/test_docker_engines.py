"""Docker engines and images that are missing, old, dead or of another version: each is named, with what to do."""

import contextlib
import json
import socket
import threading
import time

import pytest
from tests.sandbox.engine import PrivateEngine, can_start

from evolvent.errors import MissingPrerequisite, SandboxLost
from evolvent.plugins import PluginHost
from evolvent.sandboxes import choose_sandbox
from evolvent.settings import Settings
from evolvent.types import Limits
from evolvent_sandbox.containers.backend import DockerSandbox
from evolvent_sandbox.containers.engine import Engine
from evolvent_sandbox.containers.image import build_image

pytestmark = pytest.mark.docker
LOOP = "def f():\n    while True: pass"


def test_without_any_engine_the_error_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr("evolvent_sandbox.containers.engine.DEFAULT_SOCKET", tmp_path / "docker.sock")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    with pytest.raises(MissingPrerequisite, match="needs a Docker engine") as caught:
        DockerSandbox()
    assert caught.value.command == "apt-get install docker.io"


def test_an_engine_that_is_not_running_is_said_to_be_so(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(MissingPrerequisite, match="no Docker engine answers at unix://") as caught:
        DockerSandbox()
    assert "EVOLVENT_SANDBOX=bubblewrap" in caught.value.command


def answering(reply):
    """Return a loopback server that gives each caller the same bytes, or says nothing."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                caller, _ = server.accept()
                if reply is not None:
                    caller.recv(65536)
                    caller.sendall(reply)
                    caller.close()

    threading.Thread(target=serve, daemon=True).start()
    return server


def test_an_engine_that_accepts_and_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr("evolvent_sandbox.containers.engine.PING_SECONDS", 0.5)
    with answering(None) as server:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(MissingPrerequisite, match="no Docker engine answers"):
            DockerSandbox()


@pytest.mark.parametrize(("version", "message"), [("1.30", "1.40"), ("nonsense", "no Docker engine answers")])
def test_an_engine_that_is_too_old_or_none_is_refused(monkeypatch, version, message):
    body = json.dumps({"ApiVersion": version}).encode()
    reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    with answering(reply + body) as server:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(MissingPrerequisite, match=message):
            DockerSandbox()


@pytest.fixture
def empty_engine(tmp_path):
    if not can_start():
        pytest.skip("only root can start dockerd")
    engine = PrivateEngine(tmp_path).start()
    yield engine
    engine.stop()


def test_without_its_image_docker_names_the_command_and_auto_takes_bubblewrap(empty_engine, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", empty_engine.address)
    with pytest.raises(MissingPrerequisite, match="has not been built") as caught:
        DockerSandbox()
    assert caught.value.command == "evolvent sandbox build"
    with contextlib.closing(choose_sandbox(PluginHost(), Settings(sandbox="auto"))) as sandbox:
        assert sandbox.name == "bubblewrap"


def test_with_engine_and_image_auto_takes_docker(engine, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", engine.address)
    with contextlib.closing(choose_sandbox(PluginHost(), Settings(sandbox="auto"))) as sandbox:
        assert sandbox.name == "docker"
        assert sandbox.call_function("def f(): return 2", "f", [[]])[0].value == 2


def test_an_image_of_another_version_is_said_to_be_one(engine, monkeypatch):
    monkeypatch.setattr("evolvent_sandbox.containers.backend.guest_hash", lambda: "of-another-version")
    with pytest.raises(MissingPrerequisite, match="built for another version"):
        DockerSandbox(engine=Engine(engine.api, engine.address))


@pytest.fixture
def dying_engine(tmp_path):
    """An engine with the image, to be killed."""
    if not can_start():
        pytest.skip("only root can start dockerd")
    engine = PrivateEngine(tmp_path).start()
    with contextlib.closing(engine.connect()) as connection:
        build_image(connection, "interpreter")
    yield engine
    engine.clear_away()


def use_every_warm_guest(sandbox):
    for _ in range(4):
        sandbox.call_function("def f(): return 1", "f", [[]])


@pytest.mark.slow
def test_an_engine_that_dies_is_named_and_never_taken_for_the_programs_fault(dying_engine):
    sandbox = DockerSandbox(engine=dying_engine.connect())
    session = sandbox.session(Limits(wall_seconds=60, cpu_seconds=60))
    session.call("load", {"files": {"p.py": "import time\ndef f(ctx): time.sleep(60)"}})
    threading.Timer(1.0, dying_engine.kill).start()
    with pytest.raises(SandboxLost, match="Docker engine could not"):
        sandbox.call_function(LOOP, "f", [[]], Limits(wall_seconds=30, cpu_seconds=30))
    with pytest.raises(SandboxLost, match="Docker engine could not"):
        session.call("invoke", {"module": "p", "function": "f", "args": []})
    with pytest.raises((SandboxLost, MissingPrerequisite), match="Docker engine"):
        use_every_warm_guest(sandbox)
    started = time.monotonic()
    sandbox.close()
    assert time.monotonic() - started < 60
