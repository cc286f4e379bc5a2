"""One bound for the memory of all processes of a guest, from a control group where one can be written.

Both versions of the kernel's interface: cgroup v2 (`memory.max`, `memory.events`; needs a parent that hands the
memory controller down) and v1 (`memory.limit_in_bytes`, `memory.oom_control`). See the kernel's
`Documentation/admin-guide/cgroup-v2.rst` and `cgroup-v1/memory.rst`. Files of a tmpfs and the kernel's own
memory for them count too, so that the bound holds for storms of empty files as well.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evolvent_sandbox.owners import is_gone, start_of

__all__ = ["Cgroup", "CgroupParent", "find_parent"]

PREFIX = "evolvent-"
PROC = Path("/proc")
_numbers = itertools.count()


@dataclass(frozen=True)
class CgroupParent:
    """A folder of the control group file system in which groups can be made."""

    folder: Path
    version: int

    def make(self) -> Cgroup | None:
        """Return a new, empty group, or None where the kernel has no room for another."""
        folder = self.folder / f"{PREFIX}{_owner()}-{next(_numbers)}"
        try:
            folder.mkdir()
        except OSError:
            return None
        return Cgroup(folder, self.version)

    def sweep(self) -> None:
        """Remove the empty groups of owners that are gone; those of another PID namespace cannot be judged."""
        for folder in self.folder.glob(f"{PREFIX}{_namespace()}-*"):
            pid, _, started = (
                folder.name.removeprefix(f"{PREFIX}{_namespace()}-").rpartition("-")[0].partition("-")
            )
            if pid.isdecimal() and is_gone(int(pid), started):
                with contextlib.suppress(OSError):
                    folder.rmdir()


class Cgroup:
    """One guest's group. Made empty; removed when the guest has ended."""

    def __init__(self, folder: Path, version: int) -> None:
        self._folder = folder
        self._names = _NAMES[version]

    def set_memory(self, total_bytes: int) -> None:
        """Bound what all processes and their files in memory take together; nothing is swapped.

        Raises:
            OSError: the kernel refuses.
        """
        limit, swap, swap_value = self._names[0], self._names[1], self._names[2]
        (self._folder / limit).write_text(str(total_bytes))
        with contextlib.suppress(OSError):  # absent in kernels without swap accounting
            (self._folder / swap).write_text(swap_value.format(total_bytes))

    def add(self, pid: int) -> None:
        """Move a process, and so what it starts from now on, into the group.

        Raises:
            OSError: the process is gone, or the kernel refuses.
        """
        (self._folder / "cgroup.procs").write_text(str(pid))

    def kills(self) -> int:
        """Return how many processes of the group were killed at its bound."""
        lines = _read(self._folder / self._names[3]).splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def remove(self) -> None:
        """Remove the group; its processes have ended, but the kernel may still be counting them out."""
        for _ in range(200):
            try:
                self._folder.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError as error:
                if error.errno != errno.EBUSY:
                    return
            time.sleep(0.005)


_NAMES = {
    1: ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "{}", "memory.oom_control"),
    2: ("memory.max", "memory.swap.max", "0", "memory.events"),
}
"""Files for the limit, for swap with its value, and for the count of kills."""


def find_parent(proc: Path = PROC) -> CgroupParent | None:
    """Return where groups with a memory bound can be made, or None.

    Args:
        proc: the proc file system.
    """
    for candidate in _candidates(proc):
        parent = _usable(candidate)
        if parent is not None:
            parent.sweep()
            return parent
    return None


def _candidates(proc: Path) -> list[CgroupParent]:
    """Return our own groups and the ones above them, the nearest first."""
    ours = _own_groups(proc)
    found = []
    for version, root, mount in _mounts(proc):
        path = ours.get(version)
        if path is None:
            continue
        inside = os.path.relpath(path, root) if PurePosixPath(path).is_relative_to(root) else "."
        folder = Path(os.path.normpath(mount / inside))
        if not folder.is_dir():
            folder = mount
        chain = [folder, *folder.parents]
        found += [CgroupParent(f, version) for f in chain if f == mount or mount in f.parents]
    return found


def _own_groups(proc: Path) -> dict[int, str]:
    """Return our group's path by version, v1 being that of the memory controller."""
    groups = {}
    with contextlib.suppress(OSError):
        for line in (proc / "self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                groups[2] = path
            elif "memory" in controllers.split(","):
                groups[1] = path
    return groups


def _mounts(proc: Path) -> list[tuple[int, str, Path]]:
    """Return version, root inside the hierarchy and mount point of each place that bounds memory."""
    found = []
    with contextlib.suppress(OSError):
        for line in (proc / "self/mountinfo").read_text().splitlines():
            left, _, right = line.partition(" - ")
            kind, _, options = right.split(" ", 2)
            root, mount = left.split(" ")[3:5]
            if kind == "cgroup" and "memory" in options.split(" ")[-1].split(","):
                found.append((1, root, Path(mount)))
            elif kind == "cgroup2" and "memory" in _read(Path(mount) / "cgroup.controllers").split():
                found.append((2, root, Path(mount)))
    return found


def _usable(candidate: CgroupParent) -> CgroupParent | None:
    """Return the candidate if a group with a bound can really be made in it."""
    if not os.access(candidate.folder, os.W_OK):
        return None
    if candidate.version == 2 and "memory" not in _read(candidate.folder / "cgroup.subtree_control").split():
        try:  # refused while processes live directly in it
            (candidate.folder / "cgroup.subtree_control").write_text("+memory")
        except OSError:
            return None
    group = candidate.make()
    if group is None:
        return None
    try:
        group.set_memory(1 << 30)
        with subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL, env={"PATH": os.defpath}) as trial:
            try:
                group.add(trial.pid)
            finally:
                trial.kill()
        return candidate
    except OSError:
        return None
    finally:
        group.remove()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _owner() -> str:
    return f"{_namespace()}-{os.getpid()}-{start_of(os.getpid())}"


def _namespace() -> int:
    return os.stat("/proc/self/ns/pid").st_ino
