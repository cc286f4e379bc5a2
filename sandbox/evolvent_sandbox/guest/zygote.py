"""A warm process that becomes no guest itself, but forks one, walls and all, for each that the host asks for.

It runs no code but this package's, and sees nothing of what its guests are asked or answer: the pipe of a guest
only passes through. What each of its forks inherits is therefore the same.
"""

from __future__ import annotations

import array
import gc
import json
import os
import select
import signal
import socket

from . import namespaces
from .boot import prepare, start
from .tracing import set_dumpable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["main"]

OFTEN = ("random", "textwrap", "datetime", "ast", "types", "time")
"""What agent programs import too: it takes a guest several milliseconds, and a zygote only memory. Every fork draws
random numbers of its own, for which `random` sees itself."""
MAX_REQUEST = 4096
MAX_ERROR = 500


def main(fd: int, rules_fd: int, work: str, scratch: list[str], shared_bytes: int) -> None:
    """Serve the host on descriptor `fd` until it closes the socket; never returns.

    Args:
        fd: a socket of packets: each is a request for a guest, with two descriptors: the guest's end of its
            pipe, and a socket on which its beginning and its end are told.
        rules_fd: a file that holds the filter of system calls.
        work: the writable folder of guests.
        scratch: folders that must be untouched when a call of a function has ended.
        shared_bytes: size of a guest's `/dev/shm`.
    """
    os.environ.clear()
    if os.getpid() != 1:
        raise SystemExit("the zygote was promised a PID namespace of its own and has none")
    if not set_dumpable(False):
        raise SystemExit("the zygote cannot forbid others to trace it: its Python has no working _ctypes")
    os.chdir("/")
    with open(rules_fd, "rb") as file:
        rules = file.read()
    prepare()
    for name in OFTEN:
        __import__(name)
    gc.collect()
    gc.freeze()  # so that a guest's collector does not copy what it inherits
    control = socket.socket(fileno=fd)
    Zygote(control, work, scratch, shared_bytes, rules).serve()
    os._exit(0)


class Zygote:
    """Forks guests and tells how they end."""

    def __init__(
        self, control: socket.socket, work: str, scratch: list[str], shared_bytes: int, rules: bytes
    ) -> None:
        self._control = control
        self._work = work
        self._scratch = scratch
        self._shared_bytes = shared_bytes
        self._rules = rules
        self._uid, self._gid = os.getuid(), os.getgid()
        self._living: dict[int, tuple[int, socket.socket]] = {}
        """Process number and the host's ear, by the descriptor of the process."""

    def serve(self) -> None:
        """Answer the host until it closes the socket. The end of this process ends all guests."""
        poll = select.poll()
        poll.register(self._control.fileno(), select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd != self._control.fileno():
                    poll.unregister(fd)
                    self._tell_end(fd)
                    continue
                request = self._receive()
                if request is None:
                    return
                pidfd = self._fork(*request)
                if pidfd is not None:
                    poll.register(pidfd, select.POLLIN)

    def _receive(self) -> tuple[dict[str, Any], int, socket.socket] | None:
        while True:
            data, ancillary, _, _ = self._control.recvmsg(MAX_REQUEST, socket.CMSG_SPACE(8))
            if not data:
                return None
            fds = array.array("i")
            for _, _, sent in ancillary:
                fds.frombytes(sent)
            if len(fds) == 2:
                return json.loads(data), fds[0], socket.socket(fileno=fds[1])
            for fd in fds:  # no descriptor was left for the rest: the host finds both ends closed
                os.close(fd)

    def _fork(self, request: dict[str, Any], pipe: int, ear: socket.socket) -> int | None:
        """Start a guest and tell the host of it; return the descriptor of its process, None where there is none.

        Where no process, memory or descriptor is left for it, the others must not end with it.
        """
        pid = pidfd = None
        try:
            pid = self._first_process(request, pipe, ear)
            pidfd = None if pid is None else os.pidfd_open(pid)
        except OSError as error:
            _tell_error(ear, error)
        finally:
            os.close(pipe)
        if pid is None or pidfd is None:
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            ear.close()
            return None
        self._living[pidfd] = pid, ear
        _tell(ear, {"started": True}, pidfd)
        return pidfd

    def _first_process(self, request: dict[str, Any], pipe: int, ear: socket.socket) -> int | None:
        """Have a guest forked; return its process number, None where the host has heard why there is none."""
        read, write = os.pipe()
        try:
            go_between = os.fork()
            if go_between == 0:
                self._go_between(request, pipe, ear, write)
        except OSError:
            os.close(read)
            raise
        finally:
            os.close(write)
        with open(read, "rb") as file:
            said = file.read()
        os.waitpid(go_between, 0)
        return int(said) if said else None

    def _go_between(self, request: dict[str, Any], pipe: int, ear: socket.socket, write: int) -> NoReturn:
        """Enter new namespaces, fork the guest as their first process, and end, so that it is the zygote's child."""
        try:
            namespaces.enter(self._uid, self._gid)
            pid = os.fork()
            if pid == 0:
                os.close(write)
                self._become_guest(request, pipe, ear)
            os.write(write, str(pid).encode())
        except BaseException as error:
            _tell_error(ear, error)
        finally:
            os._exit(0)

    def _become_guest(self, request: dict[str, Any], pipe: int, ear: socket.socket) -> NoReturn:
        code = 1
        try:
            os.setsid()  # groups reach over namespaces: signals to its own would reach the zygote and its other forks
            namespaces.close_in(
                request["hostname"], self._work, request["scratch_bytes"], self._shared_bytes, self._rules
            )
            kept = os.dup2(pipe, 3, inheritable=False) if pipe != 3 else 3
            os.set_inheritable(kept, False)
        except BaseException as error:
            _tell_error(ear, error)
            os._exit(code)
        try:
            ear.detach()
            self._control.detach()
            os.closerange(4, os.sysconf("SC_OPEN_MAX"))
            start(kept, self._work, self._scratch)
            code = 0
        finally:
            os._exit(code)

    def _tell_end(self, pidfd: int) -> None:
        os.close(pidfd)
        pid, ear = self._living.pop(pidfd)
        _, status, usage = os.wait4(pid, 0)
        end = {"code": os.waitstatus_to_exitcode(status), "cpu_seconds": usage.ru_utime + usage.ru_stime}
        _tell(ear, {"ended": end})
        ear.close()


def _tell_error(ear: socket.socket, error: BaseException) -> None:
    _tell(ear, {"error": f"{type(error).__name__}: {error}"[:MAX_ERROR]})


def _tell(ear: socket.socket, message: dict[str, Any], fd: int | None = None) -> None:
    """Send the host a message; it may have stopped listening."""
    data = json.dumps(message).encode()
    rights = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
    try:
        ear.sendmsg([data], rights, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
    except OSError:
        return
