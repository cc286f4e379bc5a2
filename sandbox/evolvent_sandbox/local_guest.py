"""A guest whose processes are this machine's: what they may hold together, how they ended, and their end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from abc import abstractmethod

from evolvent.types import Limits
from evolvent_sandbox.cgroups import Cgroup
from evolvent_sandbox.guests import End, Guest
from evolvent_sandbox.pipes import GuestPipe
from evolvent_sandbox.watcher import MemoryWatcher

__all__ = ["LocalGuest"]

KILL_PATIENCE = 5.0
KILLED = (137, -9)
CPU_TOLERANCE = 0.5
"""The kernel counts a CPU limit in ticks and may kill well before the exact count gets there."""


class LocalGuest(Guest):
    """One guest of this machine, and the first process of its namespace where it has one."""

    def __init__(
        self, pipe: socket.socket, cgroup: Cgroup | None = None, watcher: MemoryWatcher | None = None
    ) -> None:
        """Hold a guest that was just started.

        Args:
            pipe: the host's end of the socket pair.
            cgroup: bounds the memory of all its processes; it enters while the guest boots.
            watcher: watches their memory where there is no such group.
        """
        super().__init__(GuestPipe(pipe))
        self.first_pid: int | None = None
        """The first process inside its namespace, as the host numbers it."""
        self.ended_by: str | None = None
        """The limit at which a watcher ended it."""
        self._cgroup = cgroup
        self._watcher = watcher
        self._pidfd: int | None = None
        self._kills = 0
        self._cpu_seconds = 0.0
        self._reaping = threading.Lock()

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

    def wait(self, seconds: float, limits: Limits) -> End | None:
        """Wait for the guest to end on its own; None when it has not."""
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
        while (code := self._reap_once()) is None:
            left = deadline - time.monotonic()
            if left < 0:
                return None
            self._rest(left)
        return code

    def _rest(self, seconds: float) -> None:
        """Let time pass until it is worth looking again whether it has ended, at most some seconds."""
        time.sleep(min(seconds, 0.001))

    def _reap_once(self) -> int | None:
        with self._reaping:
            return self._reap()

    def end_by(self, limit: str) -> None:
        """Kill the guest's processes because it passed a limit; whoever uses it sees the pipe close."""
        self.ended_by = limit
        self._signal()

    def kill(self) -> None:
        """End the guest and everything that it started, wait for it, and free what it held. Idempotent."""
        self._pipe.close()
        if self._watcher is not None and self.first_pid is not None:
            self._watcher.forget(self.first_pid)
        if self._reap_once() is None:
            self._signal()
            if self._wait(KILL_PATIENCE) is None:
                self._give_up()
        with self._reaping:
            if self._pidfd is not None:
                # Whoever set it up may have ended first, before it was tied to that one's life.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
                os.close(self._pidfd)
            self._pidfd = None
            self._free()
            cgroup, self._cgroup = self._cgroup, None
        if cgroup is not None:
            cgroup.remove()

    def _signal(self) -> None:
        with self._reaping, contextlib.suppress(ProcessLookupError, PermissionError):
            if self._reap() is not None:
                return
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            else:
                self._signal_without_first()

    def _enter(self, pid: int, pidfd: int) -> None:
        """Take note of the first process, and move it into its control group."""
        self._pidfd = pidfd
        self.first_pid = pid
        if self._cgroup is not None:
            self._cgroup.add(pid)

    @abstractmethod
    def _reap(self) -> int | None:
        """Return the exit code if the guest has ended, having noted its processor time; under the lock."""

    @abstractmethod
    def _signal_without_first(self) -> None:
        """Kill it before its first process is known."""

    @abstractmethod
    def _give_up(self) -> None:
        """Do what is left to be done with a guest that does not end."""

    @abstractmethod
    def _free(self) -> None:
        """Close what is left open; under the lock, maybe again."""
