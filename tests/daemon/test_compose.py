"""The compose file as an operator uses it: docker starts the daemon, ends it, kills it and starts it again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.daemon.conftest import until
from tests.daemon.operators_machine import compose_command, find_engine, free_port, make_image, mounts

from evolvent.client import Client
from evolvent.daemon.packaging import compose_file
from evolvent.settings import Settings
from evolvent.types import JobRequest

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(600)]


class Composed:
    """A folder with the printed file, and what a person would type in it."""

    def __init__(self, folder: Path, address: str, image: str, volumes: list[str]) -> None:
        self.folder, self.port = folder, free_port()
        (folder / "compose.yaml").write_text(compose_file(Settings(daemon_port=self.port)))
        machine = {"volumes": volumes}
        services = {"evolvent": machine, "volume": machine}
        (folder / "compose.override.yaml").write_text(yaml.safe_dump({"services": services}))
        (folder / ".env").write_text(
            "EVOLVENT_MODEL=counting:v1\nOPENAI_API_KEY=from-the-file\nEVOLVENT_DAEMON_IDLE=\n"
        )
        names = {"PATH", "HOME", "LANG"} & set(os.environ)
        self.environment = {name: os.environ[name] for name in names}
        self.environment |= {
            "DOCKER_HOST": address,
            "EVOLVENT_IMAGE": image,
            "ANTHROPIC_API_KEY": "from-the-shell",
        }
        self._command = compose_command()

    def __call__(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self._command, *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr + self("logs", check=False).stdout
        return done

    def inside(self, *words: str) -> str:
        """Run `evolvent` in the daemon's container."""
        return self("exec", "-T", "evolvent", "python3", "-m", "evolvent", *words).stdout

    def facts(self) -> dict[str, Any]:
        """Return what the engine says of the daemon's container."""
        container = self("ps", "-q", "evolvent").stdout.strip()
        shown = subprocess.run(
            ["docker", "inspect", container], env=self.environment, capture_output=True, check=True
        )
        return dict(json.loads(shown.stdout)[0])

    def up(self) -> None:
        """Start it, and wait until the engine says that it is healthy."""
        self("up", "-d")
        self.healthy()

    def healthy(self) -> None:
        """Wait until the engine says that it is healthy."""
        until(lambda: self.facts()["State"]["Health"]["Status"] == "healthy", 120)

    def client(self) -> Client:
        """Return a client with a token of its own, made in the container."""
        token = self.inside("tokens", "create", "test", "--scope", "submit").strip()
        return Client(f"http://127.0.0.1:{self.port}", token, retry=60)


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    engine, private = find_engine(tmp_path_factory)
    folder = tmp_path_factory.mktemp("composed")
    plugin = tmp_path_factory.mktemp("plugin")
    found = Composed(folder, engine.address, make_image(engine), mounts(plugin))
    try:
        found.up()
        yield found
    finally:
        found("down", "--volumes", check=False)
        engine.close()
        if private is not None:
            private.stop()


def ask(word: str) -> JobRequest:
    return JobRequest(payload={"prompt": f"How many letters has the word {word}?"}, key=word)


def test_the_file_is_taken_without_a_warning(composed: Composed) -> None:
    done = composed("config")
    assert done.stderr == ""


def test_a_job_is_done_in_the_sandbox_without_root_or_rights(composed: Composed) -> None:
    facts = composed.facts()
    assert facts["HostConfig"]["Privileged"] is False
    assert facts["HostConfig"]["CapDrop"] == ["ALL"]
    bound = [port for ports in facts["NetworkSettings"]["Ports"].values() for port in ports or []]
    assert [port["HostIp"] for port in bound] == ["127.0.0.1"]
    status = composed("exec", "-T", "evolvent", "cat", "/proc/self/status").stdout.split("\n")
    lines = dict(line.split(":", 1) for line in status if line)
    assert lines["Uid"].split() == ["10001"] * 4
    assert {lines[name].strip() for name in ("CapEff", "CapPrm", "CapBnd")} == {"0" * 16}
    given = set(composed("exec", "-T", "evolvent", "env").stdout.splitlines())
    assert {"OPENAI_API_KEY=from-the-file", "ANTHROPIC_API_KEY=from-the-shell"} <= given
    assert not any(line.startswith("EVOLVENT_BASE_URL") for line in given)

    found = {row["what"]: row for row in json.loads(composed.inside("doctor", "--json"))}
    assert found["sandbox"]["detail"] == "bubblewrap: ran a function"
    assert found["sandbox user"]["detail"] == "uid 10001; uid 1000 inside"
    with composed.client() as client:
        job = client.submit(ask("sandbox"), wait=120)
        assert (job.state, job.result["answer"]) == ("finished", "7")


def test_neither_a_kill_nor_a_restart_loses_or_repeats_a_job(composed: Composed) -> None:
    with composed.client() as client:
        given = {client.submit(ask("x" * number)).id: str(number) for number in range(1, 13)}
        before = composed.facts()
        os.kill(before["State"]["Pid"], signal.SIGKILL)
        until(lambda: composed.facts()["RestartCount"] > before["RestartCount"], 60)
        composed.healthy()
        composed("restart")
        composed.healthy()
        answers = {job: client.wait(job, 120).result["answer"] for job in given}
        assert answers == given
        assert len([job for job in client.list(limit=1000) if job.id in given]) == len(given)
    names = [token["name"] for token in json.loads(composed.inside("tokens", "list", "--all", "--json"))]
    assert names.count("compose") == 1


def test_stop_drains_and_the_home_outlives_its_container(composed: Composed) -> None:
    with composed.client() as client:
        given = [client.submit(ask("y" * number)).id for number in range(1, 13)]
        composed("stop")
        assert composed.facts()["State"]["ExitCode"] == 0
        composed("down")
        composed.up()
        assert {client.wait(job, 120).state for job in given} == {"finished"}
        logged = composed.inside("daemon", "logs", "--lines", "1000")
    assert "what=ended" in logged
    assert "did not stop" not in logged
