"""What the tests of the plugin `mcp` share. Not a test."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evolvent.plugins import PluginHost
from evolvent.settings import Settings
from evolvent_plugins import mcp as plugin

HERE = Path(__file__).parent
SERVER = {"command": sys.executable, "args": [str(HERE / "mcp_server.py")]}


def hostile(kind: str, *more: str, **fields: Any) -> dict[str, Any]:
    """Return the entry of a hostile server."""
    return {
        "command": sys.executable,
        "args": [str(HERE / "mcp_hostile.py"), kind, *more],
        "timeout": 10,
        **fields,
    }


def write_config(home: Path, **servers: Any) -> Path:
    """Write the file of servers."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "mcp.json"
    path.write_text(json.dumps({"mcpServers": servers}))
    return path


def host() -> PluginHost:
    """Return a host with this plugin alone."""
    made = PluginHost([])
    made.add(plugin, "mcp")
    return made


def offered(server: str) -> dict[str, Any]:
    """Connect to a server and return what it offers, by tool."""
    name = f"mcp.{server}"
    found = host().tools.get(name).build(name, settings=Settings())
    return {item.name.removeprefix(f"{name}."): item for item in found}


def evolvent_command(*words: str) -> list[str]:
    """Return the command line."""
    return [sys.executable, "-c", "from evolvent.cli import main; main()", *words]


def environment() -> dict[str, str]:
    """Return the environment of a command, in which this checkout is imported."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "240"}


def evolvent(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    return subprocess.run(
        evolvent_command(*words),
        env={**environment(), **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        return int(made.getsockname()[1])


def wait_for(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def listens(port: int) -> bool:
    """Whether somebody listens on a port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
