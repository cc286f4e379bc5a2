"""A guest that is a process of this machine, started as the leader of its own process group."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable

from evolvent_sandbox.cgroups import Cgroup
from evolvent_sandbox.local_guest import KILL_PATIENCE, LocalGuest
from evolvent_sandbox.watcher import MemoryWatcher

__all__ = ["GuestProcess"]


class GuestProcess(LocalGuest):
    """One guest process, and the first process of its namespace where it has one."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        pipe: socket.socket,
        info_fd: int | None = None,
        cgroup: Cgroup | None = None,
        watcher: MemoryWatcher | None = None,
        on_end: Callable[[], object] | None = None,
    ) -> None:
        """Hold a process that was just started.

        Args:
            process: leader of its own process group.
            pipe: the host's end of the socket pair.
            info_fd: where bubblewrap writes the first process inside.
            cgroup: bounds the memory of all its processes; it enters while the guest boots.
            watcher: watches their memory where there is no such group.
            on_end: called once when the guest was killed.
        """
        super().__init__(pipe, cgroup, watcher)
        self.process = process
        self._info_fd = info_fd
        self._on_end = on_end
        self._stderr = ""

    def settle(self) -> None:
        """Find the process whose end ends its namespace at once, and move it into its control group.

        Moving takes the kernel some ten milliseconds, which pass while the guest boots.
        """
        if self._info_fd is None:
            return
        info_fd, self._info_fd = self._info_fd, None
        with open(info_fd, "rb") as file:
            said = file.read()
        if not said:  # bubblewrap failed; its stderr, read later, says why
            return
        with contextlib.suppress(ProcessLookupError):
            pid = int(json.loads(said)["child-pid"])
            self._enter(pid, os.pidfd_open(pid))

    def mark_ready(self) -> None:
        """Note that the guest has reported."""
        super().mark_ready()
        self._close_stderr()

    def said(self) -> str:
        """What the sandbox said on stderr before the guest reported; empty afterwards."""
        stream = self.process.stderr
        if stream is not None and not stream.closed:
            os.set_blocking(stream.fileno(), False)
            self._stderr += (stream.read(65536) or b"").decode("utf-8", "replace")
        return self._stderr

    def kill(self) -> None:
        """End the guest and everything that it started, wait for it, and free what it held. Idempotent."""
        super().kill()
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end()

    def _reap(self) -> int | None:
        if self.process.returncode is None:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self._cpu_seconds = usage.ru_utime + usage.ru_stime
                self.process.returncode = os.waitstatus_to_exitcode(status)
        return self.process.returncode

    def _signal_without_first(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)

    def _give_up(self) -> None:
        self.process.kill()
        self._wait(KILL_PATIENCE)

    def _free(self) -> None:
        self._close_stderr()
        if self._info_fd is not None:
            os.close(self._info_fd)
        self._info_fd = None

    def _close_stderr(self) -> None:
        if self.process.stderr is not None:
            self.process.stderr.close()
