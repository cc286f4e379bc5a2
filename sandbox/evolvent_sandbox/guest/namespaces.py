"""The walls of a guest that is forked from a warm process: namespaces, mounts and rights, as bubblewrap sets them.

The system calls are those of `unshare(2)`, `user_namespaces(7)`, `mount(2)`, `capset(2)` and `seccomp(2)`; Python has
functions for none of them before 3.12. Whoever calls `enter` and then `close_in` may do nothing that it could not
do in a guest that bubblewrap started.
"""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["close_in", "enter"]

NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET together."""
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 1 << 14, 1 << 18
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 4, 22, 24, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
SECCOMP_MODE_FILTER = 2
CAPABILITY_VERSION = 0x20080522
MAX_CAPABILITIES = 64

_libc = ctypes.CDLL(None, use_errno=True)


class _Filter(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def enter(uid: int, gid: int) -> None:
    """Move into namespaces of our own, as the same user; the next child is the first process of its namespace.

    Raises:
        OSError: the kernel refuses.
    """
    _call("unshare", NEW_NAMESPACES)
    _call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)  # else the files below belong to root
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")


def close_in(hostname: str, work: str, scratch_bytes: int, shared_bytes: int, rules: bytes) -> None:
    """Take fresh file systems, and give up every right; in the first process of the namespaces of `enter`.

    Args:
        hostname: the guest's.
        work: its folder, covered by an empty file system in memory.
        scratch_bytes: size of that.
        shared_bytes: size of `/dev/shm`.
        rules: the filter of system calls, assembled.

    Raises:
        OSError: the kernel refuses.
    """
    name = hostname.encode()
    _call("sethostname", name, len(name))
    _call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    _mount("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _write("/proc/sys/user/max_user_namespaces", "0")
    # The settings of its own namespaces would be writable, and outlive a call.
    _mount("tmpfs", "/proc/sys", MS_NOSUID | MS_NODEV | MS_RDONLY, "mode=0555,size=4096")
    _mount("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    _mount("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, f"mode=0755,size={shared_bytes}")  # noqa: S108
    _mount("tmpfs", work, MS_NOSUID | MS_NODEV, f"mode=0700,size={scratch_bytes}")
    os.chdir(work)
    _give_up_rights(rules)


def _give_up_rights(rules: bytes) -> None:
    for capability in range(MAX_CAPABILITIES):
        if _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # the kernel has no more of them
    _call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    _call("capset", (ctypes.c_uint * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint * 6)())
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(_Filter(len(rules) // 8, rules)), 0, 0)


def _mount(kind: str, target: str, flags: int, options: str = "") -> None:
    _call("mount", kind.encode(), target.encode(), kind.encode(), flags, options.encode())


def _call(name: str, *args: Any) -> None:
    if getattr(_libc, name)(*args) != 0:
        number = ctypes.get_errno()
        shown = next((a.decode() for a in reversed(args) if isinstance(a, bytes) and a[:1] == b"/"), "")
        raise OSError(number, f"{name}: {os.strerror(number)}", shown or None)


def _write(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)
