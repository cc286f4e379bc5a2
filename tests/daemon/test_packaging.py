"""The systemd unit, read by systemd itself where it is installed, and what a home's name may hold."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from tests.daemon.conftest import until

from evolvent.daemon.packaging import compose_file, unit_file
from evolvent.daemon.place import find
from evolvent.daemon.supervisor import tell
from evolvent.settings import Settings
from evolvent.storage import Home, Tokens, open_database


@pytest.mark.parametrize("name", ["home", "a home", 'a "home"', "100%", "back\\slash"])
def test_any_home_is_one_word_of_the_unit(name: str, tmp_path: Path) -> None:
    home = tmp_path / name
    text = unit_file(Settings(home=home))
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    assert unquoted(lines["Environment"]) == f"EVOLVENT_HOME={home}"
    assert unquoted(lines["ReadWritePaths"]) == f"-{home}"
    assert lines["EnvironmentFile"].replace("%%", "%") == f"-{home}/daemon.env"


def unquoted(word: str) -> str:
    if word.startswith('"'):
        word = word[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return word.replace("%%", "%")


@pytest.mark.parametrize("system", [True, False])
@pytest.mark.parametrize("name", ["home", "a home"])
def test_systemd_finds_no_fault(system: bool, name: str, tmp_path: Path) -> None:
    """On a machine without systemd there is no judge to ask."""
    judge = shutil.which("systemd-analyze")
    if judge is None:
        return
    path = tmp_path / "evolvent.service"
    path.write_text(unit_file(Settings(home=tmp_path / name), system=system))
    done = subprocess.run(
        [judge, *([] if system else ["--user"]), "verify", str(path)],
        env=dict(os.environ, XDG_RUNTIME_DIR=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_of_the_container_starts_a_daemon_again_and_again(tmp_path: Path) -> None:
    """As in the container: on all addresses, in a home that is not there yet; what it would install is installed."""
    import yaml

    service = yaml.safe_load(compose_file(Settings()))["services"]["evolvent"]
    given = dict(entry.split("=", 1) for entry in service["environment"] if "=" in entry)
    home = Home(tmp_path / "volume" / "home")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "EVOLVENT_HOME": str(home.path),
        "EVOLVENT_DAEMON_HOST": given["EVOLVENT_DAEMON_HOST"],
        "EVOLVENT_DAEMON_PORT": "0",
        "EVOLVENT_DAEMON_IDLE": "",
        "EVOLVENT_DAEMON_FREE_MB": "0",
    }
    for _ in range(2):
        with subprocess.Popen(service["command"], env=environment, stderr=subprocess.PIPE) as process:
            try:
                place = until(lambda: find(home) or process.poll() is not None, 120)
                assert process.poll() is None, process.stderr and process.stderr.read()
                ready = urllib.request.urlopen(f"{place.url}/api/v1/ready", timeout=30)
                assert ready.status == 200
                assert place.url.startswith("http://127.0.0.1:")  # what a browser can open
            finally:
                process.terminate()
                process.communicate(timeout=60)
            assert process.returncode == 0
    names = [info.name for info in Tokens(open_database(home.database)).list()]
    assert names.count("compose") == 1


def test_the_home_in_the_container_is_a_folder_of_the_volume() -> None:
    """A restore exchanges the home; a mount point cannot be."""
    import yaml

    service = yaml.safe_load(compose_file(Settings()))["services"]["evolvent"]
    (home,) = [
        e.removeprefix("EVOLVENT_HOME=") for e in service["environment"] if e.startswith("EVOLVENT_HOME=")
    ]
    mounts = [volume.split(":")[1] for volume in service["volumes"]]
    assert home not in mounts
    assert any(home.startswith(f"{mount}/") for mount in mounts)


def test_the_container_gets_the_settings_of_its_host_but_no_path_and_nothing_that_opens_it() -> None:
    import yaml

    service = yaml.safe_load(compose_file(Settings()))["services"]["evolvent"]
    passed = {entry for entry in service["environment"] if "=" not in entry}
    assert {
        "OPENAI_API_KEY",
        "EVOLVENT_MODEL",
        "EVOLVENT_DAEMON_IDLE",
        "EVOLVENT_DAEMON_DAY_DOLLARS",
    } <= passed
    assert not passed & {
        "EVOLVENT_HOME",
        "EVOLVENT_MODELS_DIR",
        "EVOLVENT_APPROVALS",
        "EVOLVENT_ALLOW_UNSAFE",
    }
    assert {"privileged", "devices", "cap_add", "pid"}.isdisjoint(service)
    assert service["cap_drop"] == ["ALL"]
    assert not any("systempaths" in option for option in service["security_opt"])


@pytest.mark.parametrize("abstract", [False, True])
def test_a_supervisor_is_told(abstract: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"@evolvent-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(name.replace("@", "\0"))
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        assert tell("READY=1")
        assert supervisor.recv(100) == b"READY=1"
    assert not tell("STOPPING=1")  # nobody listens any more
    monkeypatch.delenv("NOTIFY_SOCKET")
    assert not tell("READY=1")
