"""A Docker engine of the tests' own: in a folder of its own, on a socket in it, without any network."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from evolvent.errors import MissingPrerequisite
from evolvent_sandbox.containers.engine import Engine

START_SECONDS = 60
STOP_SECONDS = 60


def can_start():
    """Whether an engine can be started here: it needs root and the program."""
    return os.geteuid() == 0 and shutil.which("dockerd") is not None


class PrivateEngine:
    """An engine that can be started, killed and stopped."""

    def __init__(self, folder):
        self.folder = Path(folder)
        # The paths of its sockets must be short: the kernel takes 107 bytes.
        self.sockets = Path(tempfile.mkdtemp(prefix="engine-"))
        self.address = f"unix://{self.sockets}/engine.sock"
        self._process = None

    def start(self):
        command = ["dockerd", "--host", self.address, "--data-root", f"{self.folder}/data"]
        command += ["--exec-root", f"{self.sockets}/exec", "--pidfile", f"{self.folder}/engine.pid"]
        command += ["--bridge=none", "--iptables=false", "--ip6tables=false"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connect().close()
                return self
            except MissingPrerequisite:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    self.clear_away()
                    raise AssertionError(
                        f"dockerd does not start: {(self.folder / 'log').read_text()[-2000:]}"
                    ) from None
                time.sleep(0.2)

    def connect(self):
        with environment(DOCKER_HOST=self.address):
            return Engine.connect()

    def kill(self):
        """End the engine as a crash would; its containers live on."""
        self._process.kill()
        self._process.wait()
        (self.folder / "engine.pid").unlink(missing_ok=True)

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(STOP_SECONDS)
        shutil.rmtree(self.sockets, ignore_errors=True)

    def clear_away(self):
        """End what a killed engine left: the processes that name its folders, then its mounts."""
        folders = (str(self.folder), str(self.sockets))
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (process / "cmdline").read_bytes()
                if any(folder.encode() in words for folder in folders):
                    os.kill(int(process.name), signal.SIGKILL)
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((m for m in mounts if m.startswith(folders)), reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=True)
        shutil.rmtree(self.sockets, ignore_errors=True)


@contextlib.contextmanager
def environment(**variables):
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
