"""One process for each piece of untrusted code: started, limited, watched and swept away."""

from __future__ import annotations

import errno
import os
import resource
import select
import signal
import time

from .framing import Pipe, PipeClosed
from .scratch import Scratch
from .tracing import set_dumpable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

__all__ = ["Child", "apply_limits", "start", "sweep"]

CPU_TOLERANCE = 0.5
"""The kernel counts a CPU limit in ticks and may kill well before the exact count of `wait4` gets there."""
LOOK_SECONDS = 0.025
"""How often the number of files is looked at while a program runs."""
LOOK_OFTEN_SECONDS = 0.002
"""How often it is looked whether the program has ended, where the kernel cannot say so by itself (gVisor)."""
OOM_COUNTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")


def apply_limits(limits: dict[str, Any], isolated: bool, cpu_grace: int = 0) -> None:
    """Bound this process: address space, CPU, written files, descriptors, processes, no core files.

    Processes are counted per user and namespace, so that bound makes sense only in a namespace of our own.
    A CPU grace of a second lets SIGXCPU, which names its cause, come before SIGKILL; the first process of a
    namespace never gets SIGXCPU and must have none.
    """
    for what, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, limits["cpu_seconds"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_NPROC, limits["processes"]),
        (resource.RLIMIT_AS, limits["memory_bytes"]),
    ):
        if what == resource.RLIMIT_NPROC and not isolated:
            continue
        hard = resource.getrlimit(what)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        grace = cpu_grace if what == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else 0
        resource.setrlimit(what, (value, value + grace))


class Child:
    """A running child and the ends of its pipes.

    `ended` is `exited`, `replied` or `limit`; `limit` then names the field of the host's `Limits`.
    """

    def __init__(
        self, pid: int, reply: int, outputs: list[int], limits: dict[str, Any], isolated: bool
    ) -> None:
        self.pid = pid
        self.started = time.monotonic()
        self.seconds = 0.0
        self.ended = ""
        self.limit: str | None = None
        self.exit_code: int | None = None
        self.truncated = False
        self.out_of_memory = False
        self.reply_too_large = False
        self._limits = limits
        self._isolated = isolated
        self._reply_fd = reply
        self._reply = bytearray()
        self._reply_cap = limits["value_bytes"] + 4096
        self._outputs = {fd: bytearray() for fd in outputs}
        self._order = outputs

    @property
    def reply(self) -> bytes | None:
        """The one frame that the child sent, or None."""
        if len(self._reply) < 4:
            return None
        size = int.from_bytes(self._reply[:4], "big")
        return bytes(self._reply[4 : 4 + size]) if len(self._reply) >= 4 + size else None

    def output(self, index: int) -> str:
        """Return what was kept of an output, as text."""
        return bytes(self._outputs[self._order[index]]).decode("utf-8", "replace")

    def watch(self, rpc: Pipe, scratch: Scratch) -> None:
        """Wait until the child replies, ends, or its wall clock runs out; then sweep everything it started.

        Raises:
            PipeClosed: the host is gone.
        """
        pidfd = _open_pidfd(self.pid)
        look_seconds = LOOK_SECONDS if pidfd is not None else LOOK_OFTEN_SECONDS
        poll = select.poll()
        for fd in (self._reply_fd, pidfd, *self._outputs):
            if fd is not None:
                poll.register(fd, select.POLLIN)
        poll.register(rpc.fd, select.POLLRDHUP)
        kills = _out_of_memory_kills()
        try:
            while not self.ended:
                left = self.started + self._limits["wall_seconds"] - time.monotonic()
                if left <= 0:
                    self.ended, self.limit = "limit", "wall_seconds"
                    break
                if self._isolated and scratch.files() > self._limits["files"]:
                    self.ended, self.limit = "limit", "files"
                    break
                for fd, _ in poll.poll(min(left, look_seconds) * 1000 + 1):
                    if fd == rpc.fd:
                        raise PipeClosed
                    self._serve(fd, pidfd, poll)
                if pidfd is None and not self.ended and self._has_exited():
                    self._note_silence()
            self.out_of_memory = _out_of_memory_kills() > kills
            self.seconds = time.monotonic() - self.started
        finally:
            self._sweep()
            if pidfd is not None:
                os.close(pidfd)
            for fd in list(self._outputs):
                while self._read_output(fd):
                    pass
                os.close(fd)
            os.close(self._reply_fd)

    def _has_exited(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _note_silence(self) -> None:
        while self._read_reply():
            pass
        self.ended = "exited" if self.reply is None else "replied"

    def _serve(self, fd: int, pidfd: int | None, poll: Any) -> None:
        if fd == pidfd:
            self._note_silence()
        elif fd == self._reply_fd:
            open_still = self._read_reply()
            if self.reply is not None or self.reply_too_large:
                self.ended = "replied"
            elif not open_still:
                poll.unregister(fd)
        elif not self._read_output(fd):
            poll.unregister(fd)

    def _read_reply(self) -> bool:
        try:
            chunk = os.read(self._reply_fd, 65536)
        except (BlockingIOError, ConnectionResetError):
            return False
        if len(self._reply) < self._reply_cap:
            self._reply += chunk
        self.reply_too_large = (
            len(self._reply) >= 4 and int.from_bytes(self._reply[:4], "big") > self._reply_cap
        )
        return bool(chunk) and not self.reply_too_large

    def _read_output(self, fd: int) -> bool:
        try:
            chunk = os.read(fd, 65536)
        except BlockingIOError:
            return False
        kept = self._outputs[fd]
        room = self._limits["output_bytes"] - len(kept)
        kept += chunk[:room]
        self.truncated = self.truncated or len(chunk) > room
        return bool(chunk)

    def _sweep(self) -> None:
        """Kill the child and all that it started; in a PID namespace of our own that is everybody else."""
        target = -1 if self._isolated else -self.pid
        os.kill(self.pid, signal.SIGKILL)
        while True:
            try:
                os.kill(target, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                break
            if not self._reap():
                break
        self._reap()

    def _reap(self) -> bool:
        """Collect every dead process; say whether there was one."""
        found = False
        while True:
            try:
                pid, status, usage = os.wait4(-1 if self._isolated else self.pid, 0)
            except ChildProcessError:
                return found
            found = True
            if pid == self.pid:
                self._note_exit(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime)

    def _note_exit(self, code: int, cpu: float) -> None:
        self.exit_code = code
        spent = cpu >= self._limits["cpu_seconds"] * CPU_TOLERANCE
        if self.ended == "exited" and (code == -signal.SIGXCPU or (code == -signal.SIGKILL and spent)):
            self.ended, self.limit = "limit", "cpu_seconds"
        elif self.ended == "exited" and code == -signal.SIGXFSZ:
            self.ended, self.limit = "limit", "file_bytes"


def start(
    body: Callable[[Pipe], object], limits: dict[str, Any], rpc: Pipe, outputs: int, isolated: bool
) -> Child:
    """Fork a child that runs `body(reply_pipe)` in a session, a process group and limits of its own.

    Args:
        body: runs in the child; its reply is what it writes to the pipe.
        limits: the host's `Limits` as a mapping.
        rpc: the pipe to the host; closed in the child.
        outputs: 1 to capture stdout and discard stderr, 2 to capture both.
        isolated: whether this process is the first of a PID namespace of its own.
    """
    reply_read, reply_write = os.pipe()
    captures = [os.pipe() for _ in range(outputs)]
    pid = os.fork()
    if pid == 0:
        close = [*{rpc.fd, rpc.write_fd}, reply_read, *(read for read, _ in captures)]
        _become_child(body, limits, isolated, Pipe(reply_write), close, captures)
    os.close(reply_write)
    for read, write in captures:
        os.close(write)
        os.set_blocking(read, False)
    os.set_blocking(reply_read, False)
    return Child(pid, reply_read, [read for read, _ in captures], limits, isolated)


def _become_child(
    body: Callable[[Pipe], object],
    limits: dict[str, Any],
    isolated: bool,
    reply: Pipe,
    close: list[int],
    captures: list[tuple[int, int]],
) -> NoReturn:
    code = 70
    try:
        os.setsid()
        for fd in close:
            os.close(fd)
        for number in (0, 1, 2):
            # Even /dev/null is opened anew: flags of a shared one would outlive the call.
            captured = 0 < number <= len(captures)
            target = captures[number - 1][1] if captured else os.open("/dev/null", os.O_RDWR)
            os.dup2(target, number)
            os.close(target)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if isolated:
            _be_killed_first()
        apply_limits(limits, isolated, cpu_grace=1)
        body(reply)
        code = 0
    finally:
        os._exit(code)


def _open_pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        return None


def _be_killed_first() -> None:
    """Let the kernel take this process, not the one that watches it, when their memory is used up."""
    set_dumpable(True)  # else its own files in /proc belong to root
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        return
    finally:
        set_dumpable(False)


def _out_of_memory_kills() -> int:
    """Return how many processes the kernel has killed at the bound of our memory, where it shows that here."""
    for path in OOM_COUNTS:
        try:
            with open(path) as file:
                return sum(int(line.split()[1]) for line in file if line.startswith("oom_kill "))
        except OSError:
            continue
    return 0


def sweep(isolated: bool) -> None:
    """Kill everybody else in this PID namespace of our own, and collect the dead."""
    while isolated:
        try:
            os.kill(-1, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
        try:
            while True:
                os.wait4(-1, 0)
        except ChildProcessError:
            continue
