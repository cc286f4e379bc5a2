"""A guest as the host holds it: a process, its end of the pipe, and how it died."""

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

from evolvent.errors import SandboxLost, SandboxTimeout

__all__ = ["GuestProcess"]

KILL_PATIENCE = 5.0


class GuestProcess:
    """One guest. Used once and killed; not shared between threads, except that any thread may kill it."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        pipe: socket.socket,
        info_fd: int | None = None,
        on_end: Callable[[], object] | None = None,
    ) -> None:
        """Hold a process that was just started.

        Args:
            process: leader of its own process group.
            pipe: the host's end of the socket pair.
            info_fd: where bubblewrap writes the first process inside.
            on_end: called once when the guest was killed.
        """
        self.process = process
        self.ready = False
        self.scratch_bytes = 0
        self.hardened = False
        self.cpu_seconds = 0.0
        self._pipe = pipe
        self._info_fd = info_fd
        self._on_end = on_end
        self._pidfd: int | None = None
        self._stderr = ""
        self._reaping = threading.Lock()

    def mark_ready(self, hardened: bool) -> None:
        """Note that the guest has reported; find the process whose end ends its namespace at once."""
        if self._info_fd is not None:
            info_fd, self._info_fd = self._info_fd, None
            with open(info_fd, "rb") as file:
                self._pidfd = os.pidfd_open(json.load(file)["child-pid"])
        self.hardened = hardened
        self.ready = True
        self.close_stderr()

    def send(self, data: bytes, seconds: float) -> None:
        """Send one frame.

        Raises:
            SandboxTimeout: the guest did not take it in time.
            SandboxLost: the guest is gone.
        """
        try:
            self._pipe.settimeout(max(seconds, 0.001))
            self._pipe.sendall(len(data).to_bytes(4, "big") + data)
        except TimeoutError:
            raise SandboxTimeout(f"the guest did not read for {seconds:.1f} s (wall_seconds)") from None
        except OSError as error:
            raise SandboxLost(f"the guest is gone: {error}") from None

    def receive(self, seconds: float, max_bytes: int) -> bytes:
        """Return the next frame.

        Raises:
            SandboxTimeout: none arrived in time.
            SandboxLost: the guest closed the pipe or announced a frame of more than `max_bytes`.
        """
        deadline = time.monotonic() + seconds
        size = int.from_bytes(self._exactly(4, deadline, seconds), "big")
        if size > max_bytes:
            raise SandboxLost(
                f"the guest announced a frame of {size} bytes; {max_bytes} are allowed (value_bytes)"
            )
        return self._exactly(size, deadline, seconds)

    def _exactly(self, size: int, deadline: float, seconds: float) -> bytes:
        data = bytearray()
        try:
            while len(data) < size:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                self._pipe.settimeout(left)
                chunk = self._pipe.recv(min(size - len(data), 1 << 20))
                if not chunk:
                    raise SandboxLost("the guest closed its pipe")
                data += chunk
        except TimeoutError:
            raise SandboxTimeout(f"the guest did not answer within {seconds:.1f} s (wall_seconds)") from None
        except OSError as error:
            raise SandboxLost(f"the guest is gone: {error}") from None
        return bytes(data)

    def stderr(self) -> str:
        """What the sandbox said on stderr before the guest reported; empty afterwards."""
        stream = self.process.stderr
        if stream is not None and not stream.closed:
            os.set_blocking(stream.fileno(), False)
            with contextlib.suppress(BlockingIOError, TypeError):
                self._stderr += stream.read(65536).decode("utf-8", "replace")
        return self._stderr

    def close_stderr(self) -> None:
        """Stop listening to stderr."""
        if self.process.stderr is not None:
            self.process.stderr.close()

    def wait(self, seconds: float) -> int | None:
        """Wait for the process to end on its own; return its exit code, negative for a signal, or None."""
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
                    self.cpu_seconds = usage.ru_utime + usage.ru_stime
                    self.process.returncode = os.waitstatus_to_exitcode(status)
            return self.process.returncode is not None

    def kill(self) -> None:
        """End the guest and everything that it started, wait for it, and free what it held. Idempotent."""
        self._pipe.close()
        if self.process.returncode is None:
            self._signal()
            if self.wait(KILL_PATIENCE) is None:
                self.process.kill()
                self.wait(KILL_PATIENCE)
        with self._reaping:
            self.close_stderr()
            if self._pidfd is not None:
                pidfd, self._pidfd = self._pidfd, None
                os.close(pidfd)
            if self._info_fd is not None:
                info_fd, self._info_fd = self._info_fd, None
                os.close(info_fd)
            on_end, self._on_end = self._on_end, None
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
