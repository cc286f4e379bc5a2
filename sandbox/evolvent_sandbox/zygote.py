"""The host's side of the zygote: a warm process in a sandbox of its own, which forks guests that are walled off anew.

Starting Python and its imports is most of what a guest costs. The zygote pays for them once. See decision 12 in the
docs for why a fork of it is as well walled as a guest that bubblewrap started.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import weakref
from typing import Any

from evolvent.errors import SandboxLost
from evolvent.types import Limits
from evolvent_sandbox.cgroups import Cgroup
from evolvent_sandbox.exchange import wait_ready
from evolvent_sandbox.guests import Shape
from evolvent_sandbox.local_guest import LocalGuest
from evolvent_sandbox.watcher import MemoryWatcher

__all__ = ["ForkedGuest", "Zygote"]

START_SECONDS = 30.0
END_SECONDS = 5.0
MAX_MESSAGE = 4096
GONE = -signal.SIGKILL
"""How a guest ended whose zygote is gone: the kernel has killed it."""


class Zygote:
    """A running zygote. Threads may share it: a request is one packet."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket) -> None:
        """Hold a zygote that was just started.

        Args:
            process: bubblewrap, leader of its own process group, its stderr a pipe.
            control: the host's end of the socket on which guests are asked for.
        """
        self.process = process
        self._control = control
        self._finalizer = weakref.finalize(self, _end, process, control)

    def fork(self, shape: Shape, cgroup: Cgroup | None, watcher: MemoryWatcher) -> ForkedGuest:
        """Ask for a guest.

        Raises:
            SandboxLost: the zygote is gone; the message ends with what it said on stderr.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ear, mouth = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = {"hostname": shape.hostname, "scratch_bytes": shape.scratch_bytes}
        fds = array.array("i", [theirs.fileno(), mouth.fileno()])
        try:
            self._control.sendmsg(
                [json.dumps(request).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
            )
        except OSError as error:
            ours.close()
            ear.close()
            raise SandboxLost(f"the zygote is gone ({error}): {self.said() or 'it said nothing'}") from None
        finally:
            theirs.close()
            mouth.close()
        return ForkedGuest(ours, ear, cgroup, watcher)

    def prove(self, shape: Shape, watcher: MemoryWatcher) -> None:
        """Fork one guest, wait until it reports, and end it.

        Raises:
            SandboxLost: it does not start; the message says why.
            SandboxTimeout: it is still silent.
        """
        try:
            guest = self.fork(shape, None, watcher)
            try:
                guest.settle()
                wait_ready(guest)
            finally:
                guest.kill()
        except SandboxLost as lost:
            raise SandboxLost(f"{lost} {self.said()}".strip()) from None

    def is_alive(self) -> bool:
        """Whether it can be asked for guests."""
        poll = select.poll()
        poll.register(self._control.fileno(), 0)  # only whether the other end is closed
        return not poll.poll(0)

    def said(self) -> str:
        """Return what it, or bubblewrap, said on stderr since it was last asked."""
        stream = self.process.stderr
        if stream is None or stream.closed:
            return ""
        os.set_blocking(stream.fileno(), False)
        return (stream.read(65536) or b"").decode("utf-8", "replace").strip()

    def close(self) -> None:
        """End it, and so every guest that it forked. May be called twice."""
        self._finalizer()


def _end(process: subprocess.Popen[bytes], control: socket.socket) -> None:
    control.close()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(END_SECONDS)
    if process.stderr is not None:
        process.stderr.close()


class ForkedGuest(LocalGuest):
    """A guest that a zygote has forked: the first process of namespaces of its own."""

    def __init__(
        self, pipe: socket.socket, ear: socket.socket, cgroup: Cgroup | None, watcher: MemoryWatcher
    ) -> None:
        """Hold a guest that was just asked for.

        Args:
            pipe: the host's end of the socket pair.
            ear: where the zygote tells how it begins and ends.
            cgroup: bounds the memory of all its processes; it enters while the guest boots.
            watcher: watches their memory where there is no such group.
        """
        super().__init__(pipe, cgroup, watcher)
        self._ear: socket.socket | None = ear
        self._code: int | None = None
        self._error = ""
        self._orphaned = False

    @property
    def orphaned(self) -> bool:
        """Whether it ended because the zygote did."""
        return self._orphaned

    def is_quiet(self) -> bool:
        """Whether it waits to be asked; where its zygote has ended it is about to end too."""
        return super().is_quiet() and self._reap_once() is None

    def settle(self) -> None:
        """Wait until it exists, and move it into its control group, before it can be given anything to run."""
        with self._reaping:
            while self.first_pid is None and self._code is None and self._hear(START_SECONDS):
                pass

    def bound(self, limits: Limits) -> None:
        """Set the bound of the common memory.

        Raises:
            SandboxLost: it has reported, but the zygote has not told of it: it is in no control group, and nobody
                could kill it.
        """
        if self.first_pid is None:
            raise SandboxLost(f"the zygote did not tell of a guest that reported {self._error}".rstrip())
        super().bound(limits)

    def said(self) -> str:
        """What kept it from starting."""
        return self._error

    def _reap(self) -> int | None:
        while self._code is None and self._hear(0):
            pass
        return self._code

    def _rest(self, seconds: float) -> None:
        ear = self._ear  # another thread may free it now
        number = -1 if ear is None else ear.fileno()
        if number < 0:
            super()._rest(seconds)
            return
        poll = select.poll()
        poll.register(number, select.POLLIN)
        poll.poll(min(seconds, 0.05) * 1000)

    def _hear(self, seconds: float) -> bool:
        """Take note of one message of the zygote; say whether there was one, or its end."""
        if self._ear is None:
            return False
        self._ear.settimeout(seconds)
        try:
            # Not `socket.recv_fds`: that passes no flags on.
            data, sent, _, _ = self._ear.recvmsg(MAX_MESSAGE, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, TimeoutError):
            return False
        except OSError:
            data, sent = b"", []
        fds = array.array("i", b"".join(rights for _, _, rights in sent))
        message: dict[str, Any] = json.loads(data) if data else {"gone": True}
        if fds:
            self._pidfd = fds[0]
            with contextlib.suppress(ProcessLookupError):  # it has ended already
                self._enter(_number(fds[0]), fds[0])
        elif "ended" in message:
            self._code = message["ended"]["code"]
            self._cpu_seconds = message["ended"]["cpu_seconds"]
        elif "error" in message:
            self._error = message["error"]
        else:
            self._code, self._orphaned = GONE, True
        return True

    def _signal_without_first(self) -> None:
        """Nothing: it ends by itself when its pipe is closed."""

    def _give_up(self) -> None:
        """Nothing: a process that was killed and does not end is stuck in the kernel."""

    def _free(self) -> None:
        if self._ear is not None:
            self._ear.close()
        self._ear = None


def _number(pidfd: int) -> int:
    """Return a process's number as this process sees it.

    Raises:
        ProcessLookupError: it has ended.
    """
    with open(f"/proc/self/fdinfo/{pidfd}") as file:
        number = next(int(line.split()[1]) for line in file if line.startswith("Pid:"))
    if number <= 0:
        raise ProcessLookupError(f"the process of descriptor {pidfd} has ended")
    return number
