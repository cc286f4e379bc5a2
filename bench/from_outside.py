"""What a daemon holds, as the machine sees it: memory, descriptors, threads, processes, files. Read from `/proc`."""

from __future__ import annotations

import contextlib
import os
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from evolvent.errors import MissingPrerequisite, SandboxLost
from evolvent_sandbox.containers.engine import Engine
from evolvent_sandbox.containers.reaper import GUEST_LABEL, OWNER_LABEL

PAGE = os.sysconf("SC_PAGE_SIZE")
MIB = 2**20


def tree(root: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.parent.name))
    found, left = [], [root]
    while left:
        found.append(left.pop())
        left += children.get(found[-1], [])
    return found


def resident(process: int) -> int:
    """Return bytes; 0 for one that has ended."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def command(process: int) -> str:
    """Return its short name; empty for one that has ended."""
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def files_of(folder: Path) -> tuple[int, int]:
    """Return how many files and folders are in a folder, and their bytes."""
    count = size = 0
    for where, folders, files in os.walk(folder):
        count += len(folders) + len(files)
        for name in files:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(where, name)).st_size
    return count, size


def groups() -> int:
    """Return how many control groups of sandboxes there are on this machine."""
    found = 0
    for top in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup"):
        for _, folders, _ in os.walk(top):
            found += sum(name.startswith("evolvent-") for name in folders)
    return found


def containers() -> int | None:
    """Return how many containers of guests the Docker engine of this machine has; None where none answers."""
    with (
        contextlib.suppress(MissingPrerequisite, SandboxLost),
        contextlib.closing(Engine.connect()) as engine,
        engine.asking("list containers") as api,
    ):
        return len(api.containers(all=True, filters={"label": [GUEST_LABEL, OWNER_LABEL]}))
    return None


def held(root: int, home: Path, temporary: Path) -> dict[str, float | None]:
    """Return what a daemon holds now; None for what cannot be known here.

    Args:
        root: its process.
        home: its home.
        temporary: its TMPDIR.
    """
    processes = tree(root)
    names = Counter(command(process) for process in processes)
    database = sum(
        path.stat().st_size for path in (home / "evolvent.db", home / "evolvent.db-wal") if path.exists()
    )
    return {
        "resident_mib": round(resident(root) / MIB, 2),
        "tree_resident_mib": round(sum(map(resident, processes)) / MIB, 2),
        "descriptors": len(os.listdir(f"/proc/{root}/fd")),
        "threads": len(os.listdir(f"/proc/{root}/task")),
        "processes": len(processes),
        "sandboxes": names["bwrap"],
        "containers": containers(),
        "zombies": sum(_state(process) == "Z" for process in processes),
        "temporary_files": files_of(temporary)[0],
        "database_mib": round(database / MIB, 2),
        "checkpoints_mib": round(sum(path.stat().st_size for path in home.glob("checkpoints.db*")) / MIB, 2),
        "logs_mib": round(files_of(home / "logs")[1] / MIB, 3),
        "home_files": files_of(home)[0],
        "genome_files": files_of(home / "genomes.git")[0],
        "backups": len(list((home / "backups").glob("*"))),
    }


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def growth(
    samples: Sequence[Mapping[str, float | None]], names: Iterable[str]
) -> dict[str, dict[str, float] | None]:
    """Compare the first quarter of samples with the last: medians, lowest values, growth of the medians in percent.

    None for what was not known at one of these times.
    """
    quarter = max(1, len(samples) // 4)
    found: dict[str, dict[str, float] | None] = {}
    for name in names:
        known = [
            [value for sample in part if (value := sample[name]) is not None]
            for part in (samples[:quarter], samples[-quarter:])
        ]
        if not all(known):
            found[name] = None
            continue
        first, last = known
        before, after = statistics.median(first), statistics.median(last)
        found[name] = {
            "first": before,
            "last": after,
            "growth_percent": round(100 * (after - before) / before, 2) if before else 100.0 * (after > 0),
            "first_lowest": min(first),
            "last_lowest": min(last),
        }
    return found
