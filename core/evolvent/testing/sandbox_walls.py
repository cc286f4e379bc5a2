"""What a sandbox must do that isolates: no way out, and limits of everything together."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from evolvent.protocols import Sandbox
from evolvent.testing.sandbox_checks import QUICK, check, expect, one
from evolvent.types import Limits

__all__: list[str] = []


@check("process storms", needs_walls=True)
def _storms(sandbox: Sandbox) -> None:
    """A fork bomb ends at its limit and leaves the next call alone."""
    source = (
        "import os\n"
        "def f(n):\n"
        "    while n == 0:\n"
        "        try: os.fork()\n        except OSError: pass\n"
        "    return n\n"
    )
    results = sandbox.call_function(source, "f", [[0], [1]], Limits(wall_seconds=1.0))
    expect(results[0].outcome in ("limit", "died") and results[1].value == 1, results)


@check("no network", needs_walls=True)
def _network(sandbox: Sandbox) -> None:
    """There is no socket but a local one; where a /proc tells, no interface but a loopback, and no route."""
    body = (
        "import os, socket\n"
        "tells = bool(os.listdir('/proc'))\n"
        "lines = open('/proc/net/dev').read().splitlines()[2:] if tells else []\n"
        "routes = open('/proc/net/route').read().splitlines()[1:] if tells else []\n"
        "opened = []\n"
        "for family in (socket.AF_INET, socket.AF_INET6, socket.AF_PACKET, 40, 16):\n"
        "    try: socket.socket(family, socket.SOCK_DGRAM).close(); opened.append(int(family))\n"
        "    except OSError: pass\n"
        "return [tells, [line.split(':')[0].strip() for line in lines], routes, opened]"
    )
    expect(one(sandbox, body).value in ([True, ["lo"], [], []], [False, [], [], []]), one(sandbox, body))


@check("empty environment", needs_walls=True)
def _environment(sandbox: Sandbox) -> None:
    """No variable of the host is visible, in this process or any other."""
    body = (
        "import os\n"
        "seen = {k: v for k, v in os.environ.items() if k not in ('LC_CTYPE', 'PWD')}\n"
        "leaks = []\n"
        "for pid in filter(str.isdigit, os.listdir('/proc')):\n"
        "    try: leaks.append(open(f'/proc/{pid}/environ').read())\n"
        "    except OSError: pass\n"
        "return [seen, [t for t in leaks if t.replace('PWD=/work\\0', '')]]"
    )
    expect(one(sandbox, body).value == [{}, []], one(sandbox, body))


@check("no host files", needs_walls=True)
def _host_files(sandbox: Sandbox) -> None:
    """Nothing of the host's users is there, and nothing but the scratch folder can be written."""
    with tempfile.NamedTemporaryFile(prefix="evolvent-canary-") as canary:
        os.chmod(canary.name, 0o644)
        places = (canary.name, str(Path.home()), "/home", "/root", "/boot", "/var/run/docker.sock")
        _look_for_host_files(sandbox, tuple(place for place in places if os.path.exists(place)))


def _look_for_host_files(sandbox: Sandbox, places: tuple[str, ...]) -> None:
    body = (
        "import os\n"
        f"there = [p for p in {places!r} if os.path.isfile(p) or (os.path.isdir(p) and os.listdir(p))]\n"
        "writable = []\n"
        "for folder in ('/', '/usr/lib', '/opt', '/etc', '/dev', '/proc', '/proc/sys/kernel'):\n"
        "    try: open(folder + '/x', 'w').close(); writable.append(folder)\n"
        "    except OSError: pass\n"
        "return [there, writable, os.getuid() == 0]"
    )
    expect(one(sandbox, body).value == [[], [], False], one(sandbox, body))


@check("file limits", needs_walls=True)
def _file_limits(sandbox: Sandbox) -> None:
    """One file, all files together, and descriptors end at their limits, which are named."""
    small = Limits(wall_seconds=5, file_bytes=4096)
    result = one(sandbox, "open('a', 'wb').write(b'x' * 10000)", small)
    expect(result.outcome == "limit" and "file_bytes" in result.error, result)
    fill = "for n in range(100): open(f'f{n}', 'wb').write(b'x' * 10**6)"
    result = one(sandbox, fill, Limits(wall_seconds=5, scratch_bytes=4 * 2**20))
    expect(result.outcome == "limit" and "scratch_bytes" in result.error, result)
    result = one(sandbox, "import os\nk = [os.open('/dev/null', 0) for _ in range(1000)]", QUICK)
    expect(result.outcome == "limit" and "open_files" in result.error, result)


@check("collected files", needs_walls=True)
def _collected(sandbox: Sandbox) -> None:
    """Only regular files with one name, that were asked for and fit, come back."""
    program = (
        "import os\n"
        "os.makedirs('out/deep')\n"
        "for path, size in (('out/a', 3), ('out/deep/b', 4), ('out/c', 5), ('other', 6), ('out/big', 2000)):\n"
        "    open(path, 'w').write('x' * size)\n"
        "os.symlink('/proc/self/status', 'out/link'); os.link('out/c', 'out/twin'); os.mkfifo('out/pipe')\n"
    )
    limits = Limits(wall_seconds=10, result_bytes=1000)
    command = ["python", "-c", program]
    done = sandbox.run(command, None, limits, collect=["out/*", "out/deep/b", "out/none"])
    expect(done.files == {"out/a": b"xxx", "out/deep/b": b"xxxx"}, done)
    expect({"out/link", "out/c", "out/twin", "out/pipe", "out/big"} <= set(done.left_out), done.left_out)


@check("common limits", needs_walls=True)
def _common_limits(sandbox: Sandbox) -> None:
    """Many files, and processes that are too large only together, end at limits that are named."""
    body = "n = 0\nwhile True:\n    open(f'f{n}', 'w').close()\n    n += 1"
    many = one(sandbox, body, Limits(wall_seconds=10, files=64))
    expect(many.outcome == "limit" and many.limit == "files", many)
    body = (
        "import os, time\n"
        "for _ in range(6):\n"
        "    if os.fork() == 0:\n"
        "        kept = bytearray(60_000_000)\n"
        "        time.sleep(60)\n"
        "kept = bytearray(60_000_000)\n"
        "time.sleep(1)\n"
        "return sum(os.waitpid(-1, os.WNOHANG)[0] > 0 for _ in range(6))"
    )
    together = one(sandbox, body, Limits(wall_seconds=10, total_memory_bytes=128 * 2**20))
    expect(together.limit == "total_memory_bytes" or (together.value or 0) >= 3, together)  # type: ignore[operator]
