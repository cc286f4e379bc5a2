"""The unit as an operator uses it: systemd, as the first process of a container, starts, kills and ends the daemon."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.conftest import until
from tests.daemon.operators_machine import (
    SYSTEMD,
    find_engine,
    import_paths,
    lacking,
    make_image,
    mounts,
)

from evolvent_sandbox.containers.engine import Engine

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(600)]
GROUPS = Path("/sys/fs/cgroup")
MANAGER = (
    "install -d -o 1000 -g 1000 -m 700 /home/operator /run/user/1000 && "
    "systemd-run --quiet --uid=1000 --gid=1000 -p Delegate=yes -p Type=notify "
    "--setenv=XDG_RUNTIME_DIR=/run/user/1000 --setenv=HOME=/home/operator systemd --user"
)
"""What a login does, without the login."""


def control_groups() -> list[str]:
    """Return what of the control groups systemd is given: one tree, or, before version 2, one for each kind."""
    if (GROUPS / "cgroup.controllers").exists():
        return [f"{GROUPS}:{GROUPS}:rw"]
    kinds = [
        line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " cgroup rw" in line
    ]
    return [f"{kind}:{kind}:rw" for kind in kinds if not Path(kind).is_symlink()]


class Manager:
    """A systemd, the machine's or a user's, and the daemon's unit in it."""

    def __init__(self, container: str, address: str, user: bool) -> None:
        self.home = f"/home/operator/{'state' if user else 'system'}"
        place = "/home/operator" if user else "/root"
        given = {"EVOLVENT_HOME": self.home, "HOME": place, "XDG_RUNTIME_DIR": "/run/user/1000"}
        words = [word for name, value in given.items() for word in ("--env", f"{name}={value}")]
        who = ["--user", "1000:1000"] if user else []
        self._enter = ["docker", "--host", address, "exec", *who, *words, container]
        self._journal = ["docker", "--host", address, "exec", container]
        self._option = ["--user"] if user else ["--system"]
        unit = f"{place}/.config/systemd/user" if user else "/etc/systemd/system"
        lines = [
            f"PYTHONPATH={':'.join(import_paths())}",
            "EVOLVENT_MODEL=counting:v1",
            "EVOLVENT_DAEMON_IDLE=",
        ]
        option = "" if user else " --system"
        self("sh", "-ec", f"mkdir -p {self.home} {unit}; printf '%s\\n' {' '.join(lines)} > {self.home}/daemon.env; "
             f"python3 -m evolvent daemon unit{option} > {unit}/evolvent.service")  # fmt: skip
        self.systemctl("daemon-reload")

    def __call__(self, *words: str) -> str:
        done = subprocess.run([*self._enter, *words], capture_output=True, text=True, timeout=200)
        if done.returncode:
            journal = [*self._journal, "journalctl", "--no-pager", "--lines=30"]
            told = subprocess.run(journal, capture_output=True, text=True).stdout
            raise AssertionError(f"{words} ended with {done.returncode}\n{done.stdout}{done.stderr}{told}")
        return done.stdout

    def systemctl(self, *words: str) -> str:
        return self("systemctl", *self._option, *words)

    def evolvent(self, *words: str) -> Any:
        return json.loads(self("python3", "-m", "evolvent", *words, "--json"))

    def shows(self, name: str) -> str:
        return self.systemctl("show", "--property", name, "--value", "evolvent").strip()

    def ask(self, *numbers: int) -> list[str]:
        """Hand in questions whose answers are numbers; return the jobs."""
        words = ", ".join(f"'How many letters has the word {'x' * number}?'" for number in numbers)
        return self.client(f"[client.submit(text).id for text in ({words},)]")

    def answers(self, jobs: list[str]) -> list[str]:
        """Wait for the answers of jobs."""
        return self.client(f"[client.wait(job, 120).result['answer'] for job in {jobs}]")

    def client(self, expression: str) -> list[str]:
        """Return what an expression about the daemon's client is."""
        begin = "import json; from evolvent.client import Client\n"
        program = f"{begin}with Client() as client: print(json.dumps({expression}))"
        return list(json.loads(self("python3", "-c", program)))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A container whose first process is systemd, as the engine's address and its id."""
    if not SYSTEMD.exists():
        lacking("systemd (apt-get install systemd)")
    engine, private = find_engine(tmp_path_factory)
    volumes = [*mounts(tmp_path_factory.mktemp("plugin")), *control_groups()]
    container = ""
    try:
        container = start(engine, make_image(engine), volumes)
        enter = ["docker", "--host", engine.address, "exec", container]
        until(
            lambda: (
                b"running"
                in subprocess.run([*enter, "systemctl", "is-system-running"], capture_output=True).stdout
            )
        )
        subprocess.run([*enter, "sh", "-ec", MANAGER], check=True)
        yield engine.address, container
    finally:
        if container:
            with engine.asking("remove the machine") as api:
                api.stop(container, timeout=20)
                api.remove_container(container, force=True, v=True)
            clear(container)
        engine.close()
        if private is not None:
            private.stop()


def start(engine: Engine, image: str, volumes: list[str]) -> str:
    with engine.asking("start a machine") as api:
        host = api.create_host_config(
            network_mode="none",
            binds=volumes,
            cap_add=["SYS_ADMIN"],
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            tmpfs={"/run": "exec", "/run/lock": ""},
        )
        # Its /proc is whole, as that of a machine is; the groups are the kernel's own.
        host.update(MaskedPaths=[], ReadonlyPaths=[], CgroupnsMode="host")
        made = api.create_container(
            image,
            [str(SYSTEMD), "--unit=basic.target", "--log-target=console"],
            host_config=host,
            environment={"container": "docker"},
            stop_signal="SIGRTMIN+3",
            tty=True,
        )
        api.start(made["Id"])
        return str(made["Id"])


def clear(container: str) -> None:
    """Remove the empty groups that systemd left where the engine does not look."""
    for group in GROUPS.glob(f"*/docker/{container}"):
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)


@pytest.fixture(params=["system", "user"])
def manager(request: pytest.FixtureRequest, machine: tuple[str, str]) -> Iterator[Manager]:
    found = Manager(machine[1], machine[0], request.param == "user")
    yield found
    found.systemctl("stop", "evolvent")


def test_the_unit_from_its_start_to_its_end(manager: Manager) -> None:
    manager.systemctl("start", "evolvent")  # returns when the daemon takes jobs
    assert manager.shows("Type") == "notify"
    status = manager.evolvent("daemon", "status")
    assert str(status["pid"]) == manager.shows("MainPID")
    assert manager.answers(manager.ask(7)) == ["7"]
    running = manager("grep", "NoNewPrivs", f"/proc/{status['pid']}/status")
    assert running.split() == ["NoNewPrivs:", "1"]
    assert "bwrap" in manager.systemctl("status", "--full", "evolvent")  # guests, in the unit's control group

    given = manager.ask(1, 2, 3)
    manager("kill", f"-{signal.SIGKILL.value}", str(status["pid"]))
    until(lambda: manager.shows("NRestarts") == "1" and manager.shows("ActiveState") == "active", 90)
    assert manager.answers(given) == ["1", "2", "3"]

    before = manager.shows("MainPID")
    given = manager.ask(8, 9, 10)
    manager.systemctl("restart", "evolvent")
    assert manager.shows("MainPID") != before
    assert manager.answers(given) == ["8", "9", "10"]

    given = manager.ask(15, 16, 17)
    manager.systemctl("stop", "evolvent")
    assert {name: manager.shows(name) for name in ("ActiveState", "Result", "ExecMainStatus")} == {
        "ActiveState": "inactive",
        "Result": "success",
        "ExecMainStatus": "0",
    }
    assert {manager.evolvent("jobs", "show", job)["state"] for job in given} <= {"queued", "finished"}
    manager.systemctl("start", "evolvent")
    assert manager.answers(given) == ["15", "16", "17"]


def test_a_setting_that_is_wrong_is_not_tried_again(manager: Manager) -> None:
    manager("sh", "-ec", f"echo EVOLVENT_DAEMON_SLOTS=none >> {manager.home}/daemon.env")
    with pytest.raises(AssertionError, match="systemctl"):
        manager.systemctl("start", "evolvent")
    assert manager.shows("ActiveState") == "failed"
    assert (manager.shows("ExecMainStatus"), manager.shows("NRestarts")) == ("2", "0")
