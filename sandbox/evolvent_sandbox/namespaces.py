"""What a machine does not let bubblewrap make: namespaces, and a `/proc` in them."""

from __future__ import annotations

from pathlib import Path

from evolvent.errors import MissingPrerequisite

__all__ = ["explain_refusal", "has_covers", "refuses_proc"]

SIGNS = (
    "namespace",
    "uid map",
    "gid map",
    "No permissions",
    "Operation not permitted",
    "Failed RTM_NEWADDR",
)
AUTOMOUNT = "/proc/sys/fs/binfmt_misc"
"""An empty folder that is there to be mounted on: that covers nothing."""
SWITCHES = (
    ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    ("user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
)


def explain_refusal(said: str, sysctls: Path = Path("/proc/sys")) -> MissingPrerequisite | None:
    """Return the error for a bubblewrap that was not allowed to make namespaces, or None for another failure.

    Args:
        said: what bubblewrap wrote.
        sysctls: folder of the kernel's switches.
    """
    if "bwrap:" not in said or not any(sign in said for sign in SIGNS):
        return None
    for path, closed, mend in SWITCHES:
        if _value(sysctls / path) == closed:
            name = mend.partition("=")[0]
            return MissingPrerequisite(
                f"bubblewrap may not make user namespaces here: {name} is {closed} ({_last_line(said)})",
                f"sudo sysctl -w {mend}   # or allow bwrap alone by an AppArmor profile with 'userns,'"
                if "apparmor" in name
                else f"sudo sysctl -w {mend}",
            )
    return MissingPrerequisite(
        f"bubblewrap may not make namespaces here, and no kernel switch says why ({_last_line(said)}); "
        "inside a container its engine forbids them",
        "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined …",
    )


def has_covers(mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether parts of `/proc` are covered, as engines of containers do; then the kernel may allow guests none.

    Args:
        mounts: the kernel's table of mounts, see proc_pid_mountinfo(5).
    """
    try:
        places = [line.split(" ")[4] for line in mounts.read_text().splitlines()]
    except OSError:
        return False
    return any(place.startswith("/proc/") and place != AUTOMOUNT for place in places)


def refuses_proc(said: str) -> bool:
    """Whether bubblewrap says that the kernel did not allow a `/proc` to its namespace.

    The kernel allows one only to who sees all of another (fs/namespace.c, `mount_too_revealing`).
    """
    return "bwrap: Can't mount proc" in said


def _value(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _last_line(said: str) -> str:
    return said.strip().splitlines()[-1][:200]
