"""A guest that is a process of this machine, started as the leader of its own process group."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable

from evolvent.types import Limits
from evolvent_sandbox.cgroups import Cgroup
from evolvent_sandbox.guests import End, Guest
from evolvent_sandbox.watcher import MemoryWatcher

__all__ = ["GuestProcess"]

KILL_PATIENCE = 5.0
KILLED = (137, -9)
CPU_TOLERANCE = 0.5
"""The kernel counts a CPU limit in ticks and may kill well before the exact count gets there."""


class GuestProcess(Guest):
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
        super().__init__(pipe)
        self.process = process
        self.first_pid: int | None = None
        """The first process inside its namespace, as the host numbers it."""
        self.ended_by: str | None = None
        """The limit at which a watcher ended it."""
        self._info_fd = info_fd
        self._cgroup = cgroup
        self._watcher = watcher
        self._on_end = on_end
        self._pidfd: int | None = None
        self._kills = 0
        self._stderr = ""
        self._cpu_seconds = 0.0
        self._reaping = threading.Lock()

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
            self._pidfd = os.pidfd_open(pid)
            self.first_pid = pid
            if self._cgroup is not None:
                self._cgroup.add(pid)

    def mark_ready(self) -> None:
        """Note that the guest has reported."""
        super().mark_ready()
        self._close_stderr()

    def bound(self, limits: Limits) -> None:
        """Set the bound of the common memory, where there is a cgroup or a watcher."""
        if self._cgroup is not None:
            self._cgroup.set_memory(limits.total_memory_bytes)
        elif self._watcher is not None and self.first_pid is not None:
            self._watcher.watch(self.first_pid, limits.total_memory_bytes, self.end_by)

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed one of its processes at their common bound since it was last asked."""
        seen, self._kills = self._kills, self._cgroup.kills() if self._cgroup is not None else 0
        return self._kills > seen

    def said(self) -> str:
        """What the sandbox said on stderr before the guest reported; empty afterwards."""
        stream = self.process.stderr
        if stream is not None and not stream.closed:
            os.set_blocking(stream.fileno(), False)
            with contextlib.suppress(BlockingIOError, TypeError):
                self._stderr += stream.read(65536).decode("utf-8", "replace")
        return self._stderr

    def wait(self, seconds: float, limits: Limits) -> End | None:
        """Wait for the process to end on its own; None when it has not."""
        code = self._wait(seconds)
        if code is None:
            return None
        limit = self.ended_by
        if limit is None and self.out_of_memory():
            limit = "total_memory_bytes"
        if limit is None and code in KILLED and self._cpu_seconds >= limits.cpu_seconds * CPU_TOLERANCE:
            limit = "cpu_seconds"
        return End(code, limit)

    def _wait(self, seconds: float) -> int | None:
        deadline = time.monotonic() + seconds
        while not self._reap():
            if time.monotonic() > deadline:
                return None
            time.sleep(0.001)
        return self.process.returncode

    def _reap(self) -> bool:
        """Collect the process if it has ended; say whether it has."""
        with self._reaping:
            if self.process.returncode is None:
                pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
                if pid:
                    self._cpu_seconds = usage.ru_utime + usage.ru_stime
                    self.process.returncode = os.waitstatus_to_exitcode(status)
            return self.process.returncode is not None

    def end_by(self, limit: str) -> None:
        """Kill the guest's processes because it passed a limit; whoever uses it sees the pipe close."""
        self.ended_by = limit
        self._signal()

    def kill(self) -> None:
        """End the guest and everything that it started, wait for it, and free what it held. Idempotent."""
        self._pipe.close()
        if self._watcher is not None and self.first_pid is not None:
            self._watcher.forget(self.first_pid)
        if self.process.returncode is None:
            self._signal()
            if self._wait(KILL_PATIENCE) is None:
                self.process.kill()
                self._wait(KILL_PATIENCE)
        with self._reaping:
            self._close_stderr()
            for fd in (self._pidfd, self._info_fd):
                if fd is not None:
                    os.close(fd)
            self._pidfd = self._info_fd = None
            cgroup, self._cgroup = self._cgroup, None
            on_end, self._on_end = self._on_end, None
        if cgroup is not None:
            cgroup.remove()
        if on_end is not None:
            on_end()

    def _signal(self) -> None:
        with self._reaping, contextlib.suppress(ProcessLookupError, PermissionError):
            if self.process.returncode is not None:
                return
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            else:
                os.killpg(self.process.pid, signal.SIGKILL)

    def _close_stderr(self) -> None:
        if self.process.stderr is not None:
            self.process.stderr.close()
