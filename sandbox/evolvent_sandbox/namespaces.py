"""Why a machine does not let bubblewrap make namespaces, and the command that mends it."""

from __future__ import annotations

from pathlib import Path

from evolvent.errors import MissingPrerequisite

__all__ = ["explain_refusal"]

SIGNS = (
    "namespace",
    "uid map",
    "gid map",
    "No permissions",
    "Operation not permitted",
    "Failed RTM_NEWADDR",
)
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
        "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
        "--security-opt systempaths=unconfined …",
    )


def _value(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _last_line(said: str) -> str:
    return said.strip().splitlines()[-1][:200]
