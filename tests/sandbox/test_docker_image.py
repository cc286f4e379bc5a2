"""Building the sandbox's image, and what a build must not leave."""

import os
import subprocess
import sys

import pytest

from evolvent.errors import MissingPrerequisite, SandboxLost, UsageError
from evolvent.types import Limits
from evolvent_sandbox.containers.backend import DockerSandbox, find_image
from evolvent_sandbox.containers.engine import Engine
from evolvent_sandbox.containers.image import build_image

pytestmark = pytest.mark.docker


def test_a_folder_without_python_is_no_image(engine, tmp_path):
    (tmp_path / "etc").mkdir()
    with pytest.raises(UsageError, match="holds no Python"):
        build_image(engine, str(tmp_path))


def test_an_unknown_source_is_looked_for_as_an_image_and_the_error_says_so(engine):
    with pytest.raises(MissingPrerequisite, match="'no-such-thing-here:1' cannot be fetched"):
        build_image(engine, "no-such-thing-here:1")


def test_an_image_with_python_can_be_built_from(engine):
    image, _ = find_image(engine)
    built = build_image(engine, image)
    with DockerSandbox(engine=Engine(engine.api, engine.address), image=built.id) as sandbox:
        assert sandbox.call_function("def f(): return 3", "f", [[]])[0].value == 3


def test_an_image_that_does_not_work_is_removed(engine, tmp_path):
    (tmp_path / "usr/bin").mkdir(parents=True)
    program = tmp_path / "usr/bin/python3.11"
    program.write_text("no program")
    program.chmod(0o755)
    with engine.asking("list images") as api:
        before = {image["Id"] for image in api.images()}
    with pytest.raises(SandboxLost, match="does not work and was removed"):
        build_image(engine, str(tmp_path))
    with engine.asking("list images") as api:
        assert {image["Id"] for image in api.images()} == before


def test_the_image_holds_no_program_that_runs_with_its_owners_rights(docker):
    source = (
        "import os\n"
        "def f():\n"
        "    found = []\n"
        "    for top, folders, files in os.walk('/'):\n"
        "        folders[:] = [f for f in folders if os.path.join(top, f) not in ('/proc', '/sys')]\n"
        "        found += [p for n in files if (p := os.path.join(top, n)) and os.lstat(p).st_mode & 0o6000]\n"
        "    return found\n"
    )
    assert docker.call_function(source, "f", [[]], Limits(wall_seconds=60))[0].value == []


def test_the_same_files_make_the_same_tag(engine):
    first = build_image(engine, "interpreter")
    assert build_image(engine, "interpreter").tag == first.tag


def test_a_full_disk_stops_the_build_with_a_clear_error(engine, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], check=True)
    try:
        code = (
            "from evolvent_sandbox.containers.engine import Engine\n"
            "from evolvent_sandbox.containers.image import build_image\n"
            "build_image(Engine.connect(), 'interpreter')\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "TMPDIR": str(small), "DOCKER_HOST": engine.address},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "MissingPrerequisite" in done.stderr
        assert "make space in" in done.stderr
        assert list(small.iterdir()) == [], "nothing half-written stays"
    finally:
        subprocess.run(["umount", small], check=True)
