"""What an operator has: an engine, compose or systemd, and a root file system that runs this checkout.

The image holds next to nothing: its programs are this machine's `/usr`, this interpreter and this checkout, mounted
read-only where they are. So it is made in a second, without a network, and has whatever Python the tests run with.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tests.sandbox.engine import PrivateEngine, can_start

from evolvent.errors import MissingPrerequisite
from evolvent_sandbox.containers.engine import Engine

ROOT = Path(__file__).parents[2]
IMAGE = "evolvent-operators-machine:1"
PLUGIN = "/opt/plugin"
SYSTEMD = Path("/usr/lib/systemd/systemd")
UNITS = "etc/systemd/system"
FOLDERS = {
    "sbin": 0o755,
    UNITS: 0o755,
    "home": 0o755,
    "run/user": 0o755,
    "etc": 0o755,
    "usr": 0o755,
    "var/lib": 0o755,
    "var/log": 0o755,
    "var/cache": 0o755,
    "run": 0o755,
    "tmp": 0o1777,
    "var/tmp": 0o1777,
}
"""`/sbin` is no link: the engine's init is mounted in it."""
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n"
    "operator:x:1000:1000:operator:/home/operator:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\noperator:x:1000:\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
}


def lacking(what: str) -> None:
    """Fail in CI, where nothing may be missing; skip elsewhere."""
    if os.environ.get("CI"):
        pytest.fail(f"CI needs {what}")
    pytest.skip(f"needs {what}")


def compose_command() -> list[str]:
    """Return the compose that there is: the engine's plugin, or Debian's program."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if (
            shutil.which(command[0])
            and not subprocess.run([*command, "version"], capture_output=True).returncode
        ):
            return command
    lacking("docker compose (apt-get install docker-compose)")
    raise AssertionError("unreachable")


def find_engine(factory: pytest.TempPathFactory) -> tuple[Engine, PrivateEngine | None]:
    """Return the environment's engine, or one that was started, which is to be stopped."""
    try:
        return Engine.connect(), None
    except MissingPrerequisite:
        if not can_start():
            lacking("an engine, or root and dockerd to start one (apt-get install docker.io)")
        private = PrivateEngine(factory.mktemp("engine")).start()
        return private.connect(), private


def make_image(engine: Engine) -> str:
    """Import the image; its search paths are those of this process."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, mode in FOLDERS.items():
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, mode
            tar.addfile(member)
        links = {n: os.readlink(f"/{n}") for n in ("bin", "lib", "lib32", "lib64") if os.path.islink(f"/{n}")}
        for name, target in {**links, **masks()}.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
        for name, text in {**FILES, "etc/ld.so.cache": Path("/etc/ld.so.cache").read_bytes()}.items():
            content = text.encode() if isinstance(text, str) else text
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    packed.seek(0)
    programs = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
    changes = [f"ENV PATH={programs}", f"ENV PYTHONPATH={':'.join(import_paths())}"]
    repository, tag = IMAGE.split(":")
    with engine.transferring(), engine.asking("take in the image") as api:
        answer = api.import_image(packed.read(), repository=repository, tag=tag, changes=changes)
    assert "error" not in json.loads(answer.splitlines()[-1]), answer
    return IMAGE


def masks() -> dict[str, str]:
    """Return links that keep systemd from setting up the kernel, which is this machine's; its journal is left."""
    units = SYSTEMD.parent / "system"
    wanted = [
        path.name
        for kind in ("sysinit", "local-fs", "timers")
        for path in units.glob(f"{kind}.target.wants/*")
    ]
    return {f"{UNITS}/{name}": "/dev/null" for name in wanted if "journal" not in name}


def import_paths() -> list[str]:
    """Return where the machine's Python finds what is not installed: this checkout, and the example plugin."""
    mine = os.environ.get("PYTHONPATH", "")
    return [*filter(None, mine.split(os.pathsep)), PLUGIN, str(ROOT / "tests/example_plugin/src")]


def mounts(plugin: Path) -> list[str]:
    """Return what the machine's programs are, as volumes of an engine.

    Args:
        plugin: an empty folder, for what says that the example plugin is installed; it has a scripted model.
    """
    about = plugin / "evolvent_example-1.2.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: evolvent-example\nVersion: 1.2.0\n")
    (about / "entry_points.txt").write_text("[evolvent]\nexample = evolvent_example\n")
    plugin.chmod(0o755)
    places = sorted({"/usr", sys.prefix, sys.base_prefix, str(ROOT)})
    return [f"{plugin}:{PLUGIN}:ro", *(f"{place}:{place}:ro" for place in places)]


def free_port() -> int:
    """Return a port of loopback that nobody has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
