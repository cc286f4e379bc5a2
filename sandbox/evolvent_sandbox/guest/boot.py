"""The first code that runs in a guest: takes its pipe, hardens itself, reports and serves."""

from __future__ import annotations

import os
import signal

from .framing import Pipe, PipeClosed

__all__ = ["main"]

PR_SET_DUMPABLE = 4


def main(fd: int, isolated: bool, work: str, scratch: list[str]) -> None:
    """Serve the host on descriptor `fd` until it closes the pipe; never returns.

    Args:
        fd: the guest's end of a socket pair.
        isolated: whether this is the first process of a PID namespace of its own.
        work: the writable folder.
        scratch: folders that must be empty between two calls of a function.
    """
    os.environ.clear()
    os.set_inheritable(fd, False)
    if isolated and os.getpid() != 1:
        raise SystemExit("the guest was promised a PID namespace of its own and has none")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    hardened = isolated and _forbid_tracing()
    rpc = Pipe(fd)
    try:
        from .server import Server

        rpc.write(f'{{"ready":true,"hardened":{"true" if hardened else "false"}}}')
        null = os.open("/dev/null", os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os.close(null)
        _warm()
        Server(rpc, isolated, work, scratch).serve()
    except PipeClosed:
        os._exit(0)


def _forbid_tracing() -> bool:
    """Make this process undumpable: its children run as the same user and must not open its memory."""
    try:
        import _ctypes
    except ImportError:
        return False
    prctl = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")  # type: ignore[arg-type]  # None: this program
    return bool(_ctypes.call_function(prctl, (PR_SET_DUMPABLE, 0, 0, 0, 0)) == 0)


def _warm() -> None:
    """Import, while nobody waits, what most programs import."""
    for name in ("json", "re", "math", "collections", "functools", "itertools", "string", "importlib"):
        __import__(name)
