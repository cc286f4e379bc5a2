"""Containers of processes that are gone: found by their labels, removed when a sandbox opens."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from evolvent.errors import SandboxLost
from evolvent_sandbox.containers.engine import Engine
from evolvent_sandbox.owners import is_gone, start_of

__all__ = ["GUEST_LABEL", "OWNER_LABEL", "owner", "reap"]

GUEST_LABEL = "dev.evolvent.guest"
OWNER_LABEL = "dev.evolvent.owner"


def owner() -> str:
    """Return what names this process for good: the boot, the PID namespace, the number and when it began."""
    return ":".join([*_world(), str(os.getpid()), start_of(os.getpid())])


def reap(engine: Engine) -> int:
    """Remove the guests of owners that are gone; return how many.

    Only owners that this process could see are judged: those of its own PID namespace, and those of an earlier
    boot of this machine.

    Raises:
        SandboxLost: the engine is gone.
    """
    with engine.asking("list containers") as api:
        found = api.containers(all=True, filters={"label": [GUEST_LABEL, OWNER_LABEL]})
    local = engine.address.startswith("unix:")
    gone = [entry["Id"] for entry in found if _is_gone(entry["Labels"][OWNER_LABEL], local)]
    for container in gone:
        with contextlib.suppress(SandboxLost), engine.asking("remove a container") as api:
            api.remove_container(container, force=True, v=True)
    return len(gone)


def _is_gone(label: str, local: bool) -> bool:
    machine, boot, namespace, pid, started = (label.split(":") + [""] * 5)[:5]
    our_machine, our_boot, our_namespace = _world()
    if machine != our_machine:
        return False
    if boot != our_boot:
        return local  # at a distant engine it may be a copy of this machine that runs
    return namespace == our_namespace and pid.isdecimal() and is_gone(int(pid), started)


def _world() -> tuple[str, str, str]:
    return (
        _read("/etc/machine-id") or os.uname().nodename,
        _read("/proc/sys/kernel/random/boot_id"),
        str(os.stat("/proc/self/ns/pid").st_ino),
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
