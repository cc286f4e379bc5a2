"""Starting and ending a daemon's process from another one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from evolvent.daemon.place import Place, find
from evolvent.errors import RunError, UsageError
from evolvent.settings import Settings
from evolvent.storage import Home

__all__ = ["end", "launch"]

START_SECONDS = 120.0
OUTPUT = "daemon.out"
"""What the process says outside its log: why it did not start, a crash of the interpreter."""
SHOWN = 4_000


def launch(
    settings: Settings, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> Place:
    """Start a daemon in the background, and wait until it takes jobs.

    Args:
        settings: of the home.
        arguments: of `evolvent daemon start`, beside `--foreground`.
        environment: of the process; default: this one's.

    Raises:
        UsageError: it did not start; the message is what it said.
        RunError: it did not say so in time.
    """
    home = Home(settings.home)
    home.create()
    output = home.logs / OUTPUT
    command = [sys.executable, "-m", "evolvent", "daemon", "start", "--foreground"]
    with output.open("wb") as said:
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=dict(os.environ if environment is None else environment),
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            told = output.read_text(errors="replace")[-SHOWN:].strip().removeprefix("error: ")
            raise UsageError(f"the daemon did not start: {told or f'it ended with {process.returncode}'}")
        place = find(home)
        if place is not None and place.pid == process.pid:
            return place
        time.sleep(0.1)
    raise RunError(
        f"the daemon (process {process.pid}) did not say within {START_SECONDS:g} s that it is ready"
    )


def end(settings: Settings) -> Place | None:
    """Tell the daemon of a home to end, and wait for it; return where it was, None when none runs.

    Raises:
        RunError: it did not end.
    """
    home = Home(settings.home)
    place = find(home)
    if place is None:
        return None
    with contextlib.suppress(ProcessLookupError):
        os.kill(place.pid, signal.SIGTERM)
    allowed = settings.daemon_drain_seconds + 30.0
    deadline = time.monotonic() + allowed
    while time.monotonic() < deadline:
        if not home.held():
            return place
        time.sleep(0.1)
    raise RunError(
        f"the daemon (process {place.pid}) did not end within {allowed:g} s; `kill -9 {place.pid}` does it, and loses "
        "nothing that was acknowledged"
    )
