"""Keeps the one helper process in which reasoning-gym runs, and kills it when it takes too long."""

from __future__ import annotations

import atexit
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from typing import IO

from evolvent.errors import RunError
from evolvent.types import JsonValue

__all__ = ["ANSWER_SECONDS", "ask", "close_worker"]

ANSWER_SECONDS = 20.0
"""For one request; entries take up to 0.3 s and scores up to 2 s on one core."""
START_SECONDS = 120.0
"""For importing the library on a busy machine."""
ENVIRONMENT = ("HOME", "LANG", "LC_ALL", "PATH", "PYTHONPATH", "TMPDIR")
"""What the helper inherits; no keys."""

_turn = threading.Lock()
_worker: subprocess.Popen[bytes] | None = None


def ask(request: dict[str, JsonValue]) -> JsonValue:
    """Send one request to the helper and return its answer. Requests take turns.

    Raises:
        TimeoutError: it took more than `ANSWER_SECONDS`, or the helper died of it; the next request gets a
            new helper.
        RunError: the helper cannot be started.
    """
    line = json.dumps(request).encode() + b"\n"
    with _turn:
        worker = _running()
        assert worker.stdin is not None
        assert worker.stdout is not None
        try:
            worker.stdin.write(line)
            answer = _read_line(worker.stdout, ANSWER_SECONDS)
        except BrokenPipeError:
            answer = b""
        except BaseException:
            _kill()  # an answer that nobody read would be taken for the next one's
            raise
        if answer is None or not answer.endswith(b"\n"):
            _kill()
            raise TimeoutError(
                f"took more than {ANSWER_SECONDS:g} s" if answer is None else "ended its process"
            )
    result: JsonValue = json.loads(answer)
    return result


def close_worker() -> None:
    """End the helper process, if there is one."""
    with _turn:
        _kill()


def _running() -> subprocess.Popen[bytes]:
    global _worker
    if _worker is not None and _worker.poll() is None:
        return _worker
    _kill()
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    _worker = subprocess.Popen(
        [sys.executable, "-m", "evolvent_plugins.gym.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        start_new_session=True,  # Ctrl-C is for us; it ends when its stdin does
        env={**environment, "PYTHONHASHSEED": "0"},
    )
    atexit.register(close_worker)
    assert _worker.stdout is not None
    greeting = _read_line(_worker.stdout, START_SECONDS)
    if greeting != b"ready\n":
        _kill()
        raise RunError(
            f"the process that runs reasoning-gym did not start (it said {greeting!r}); "
            f"try `{sys.executable} -m evolvent_plugins.gym.worker`, which should print 'ready'"
        )
    return _worker


def _kill() -> None:
    global _worker
    if _worker is None:
        return
    atexit.unregister(close_worker)
    _worker.kill()
    _worker.wait()
    for pipe in (_worker.stdin, _worker.stdout):
        if pipe is not None:
            pipe.close()
    _worker = None


def _read_line(pipe: IO[bytes], seconds: float) -> bytes | None:
    """Return the next line, what came before the pipe ended, or None when the time is up."""
    deadline, line = time.monotonic() + seconds, b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                return None
            block = pipe.read(65536)
            if not block:
                break
            line += block
    return line
