"""What a guest of bubblewrap sees and what is taken from it, as the arguments that say so."""

from __future__ import annotations

import os
from pathlib import Path

from evolvent_sandbox.backend import boot_command, environment, zygote_command
from evolvent_sandbox.guests import Shape
from evolvent_sandbox.interpreter import Interpreter

__all__ = ["Layout"]

WORK = "/work"
PACKAGES = "/opt/evolvent"
SYSTEM_FOLDERS = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/share/zoneinfo")
ROOT_LINKS = ("/lib", "/lib32", "/lib64", "/libx32")
SHARED_MEMORY_BYTES = 1024 * 1024


class Layout:
    """The arguments of bubblewrap for one interpreter and one copy of the guest's package."""

    def __init__(self, interpreter: Interpreter, guest: Path, proc: bool = True) -> None:
        """Look which folders of the system there are.

        Args:
            interpreter: the Python inside.
            guest: the folder that holds the guest's package.
            proc: whether the kernel allows guests a `/proc`; else theirs is empty.
        """
        self._python = interpreter.command
        self._files = _files(interpreter, guest, proc)
        self._proc = proc

    def of_guest(self, shape: Shape, fd: int, rules: int) -> list[str]:
        """Return the arguments that start a guest.

        Args:
            shape: what it gets.
            fd: its end of the pipe.
            rules: a file that holds the filter of system calls.
        """
        # Further namespaces are refused by the filter, too; bubblewrap's own bar is a setting in /proc/sys.
        bar = ["--disable-userns"] if self._proc else []
        return [
            *["--seccomp", str(rules), *bar, "--hostname", shape.hostname],
            *["--perms", "0700", "--size", str(shape.scratch_bytes), "--tmpfs", WORK],
            *self._files,
            # The settings of its own namespaces would be writable, and outlive a call.
            *(_empty("/proc/sys") if self._proc else []),
            *["--chdir", WORK, "--remount-ro", "/", *_environment(shape), "--"],
            *boot_command(self._python, PACKAGES, fd, True, WORK),
        ]

    def of_zygote(self, shape: Shape, fd: int, rules: int) -> list[str]:
        """Return the arguments that start a zygote: the same walls, but namespaces may be made inside them.

        Its forks cover what is writable here, and load the filter. `/proc` must be whole: the kernel allows no
        fresh one to whoever sees only parts of it.

        Args:
            shape: of the guests that it will fork.
            fd: the socket on which they are asked for.
            rules: a file that holds the filter of system calls.
        """
        return [
            *_empty(WORK),
            *self._files,
            *["--chdir", "/", "--remount-ro", "/", *_environment(shape), "--"],
            *zygote_command(self._python, PACKAGES, fd, rules, WORK, SHARED_MEMORY_BYTES),
        ]


def _environment(shape: Shape) -> list[str]:
    return [word for item in environment(shape).items() for word in ("--setenv", *item)]


def _empty(folder: str) -> list[str]:
    """Return the arguments that cover a folder with an empty one."""
    return ["--perms", "0555", "--size", "4096", "--tmpfs", folder, "--remount-ro", folder]


def _files(interpreter: Interpreter, guest: Path, proc: bool) -> list[str]:
    """Return the arguments for namespaces, rights, and the files that all guests see."""
    words = ["--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"]
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
    words += ["--proc", "/proc"] if proc else _empty("/proc")
    words += ["--dev", "/dev"]
    words += ["--size", str(SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]  # noqa: S108
    return [*words, "--symlink", "work", "/tmp"]  # noqa: S108 - inside, its own
