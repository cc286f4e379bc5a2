"""The systemd unit, read by systemd itself where it is installed, and what a home's name may hold."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from evolvent.daemon.packaging import compose_file, unit_file
from evolvent.settings import Settings


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


def test_the_home_in_the_container_is_a_folder_of_the_volume() -> None:
    """A restore exchanges the home; a mount point cannot be."""
    import yaml

    service = yaml.safe_load(compose_file(Settings()))["services"]["evolvent"]
    home = service["environment"]["EVOLVENT_HOME"]
    mounts = [volume.split(":")[1] for volume in service["volumes"]]
    assert home not in mounts
    assert any(home.startswith(f"{mount}/") for mount in mounts)
