"""The first code that runs in a guest: takes its pipe, hardens itself, reports and serves."""

from __future__ import annotations

import fcntl
import os
import signal

from .framing import Pipe, PipeClosed
from .tracing import set_dumpable

__all__ = ["main", "prepare", "start"]

WARM = ("json", "re", "math", "collections", "functools", "itertools", "string", "importlib")
"""What most programs import."""


def main(fd: int | None, isolated: bool, work: str, scratch: list[str]) -> None:
    """Serve the host on descriptor `fd` until it closes the pipe; never returns.

    Args:
        fd: the guest's end of a socket pair; None for a pipe that came as stdin and stdout, which are moved to
            descriptors of their own before anything else can use them.
        isolated: whether this is the first process of a PID namespace of its own.
        work: the writable folder.
        scratch: folders that must be untouched when a call of a function has ended.
    """
    os.environ.clear()
    _check_first(isolated)
    if fd is None:
        rpc = Pipe(fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3), fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 3))
    else:
        rpc = Pipe(_lowest(fd))
    _serve(rpc, isolated, work, scratch)


def start(fd: int, work: str, scratch: list[str]) -> None:
    """Serve the host in a fork of the zygote, which has prepared; never returns.

    Args:
        fd: the guest's end of a socket pair, with the lowest free number.
        work: the writable folder.
        scratch: folders that must be untouched when a call of a function has ended.
    """
    _check_first(True)
    _serve(Pipe(fd), True, work, scratch)


def prepare() -> None:
    """Import, while nobody waits, the guest's own code and what most programs import."""
    for name in (f"{__package__}.server", *WARM):
        __import__(name)


def _check_first(isolated: bool) -> None:
    if isolated and os.getpid() != 1:
        raise SystemExit("the guest was promised a PID namespace of its own and has none")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if isolated and not set_dumpable(False):
        raise SystemExit("the guest cannot forbid others to trace it: its Python has no working _ctypes")


def _serve(rpc: Pipe, isolated: bool, work: str, scratch: list[str]) -> None:
    try:
        from .server import Server

        rpc.write('{"ready":true}')
        null = os.open("/dev/null", os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os.close(null)
        prepare()
        Server(rpc, isolated, work, scratch).serve()
    except PipeClosed:
        os._exit(0)


def _lowest(fd: int) -> int:
    """Give the pipe the lowest free number, so that a guest is the same however many files the host has open."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    if moved > fd:
        os.close(moved)
        os.set_inheritable(fd, False)
        return fd
    os.close(fd)
    return moved
