"""Whether a sandbox leaks and whether it is fair; prints JSON.

`soak`: so many executions in a row through the forkserver, a tenth of them hostile (the quick ones of the attack
suite), with what the process and the machine hold before and after: processes, descriptors, mounts, control groups,
temporary files, containers, resident memory. `fairness`: eight sessions that start at once on a barrier and compute
for the same CPU time; the slowest against the median.
"""

import argparse
import contextlib
import gc
import itertools
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from evolvent.testing.attack_range import Bait
from evolvent.testing.programs import attacks, benign_programs
from evolvent.types import Limits

HOSTILE_LIMITS = {"wall_seconds": 0.5, "cpu_seconds": 1}
SESSIONS = 8
PROGRAM = "def work(n, ctx):\n    total = 0\n    for i in range(n): total += i * i % 7\n    return total\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sandbox", choices=["bubblewrap", "docker"], default="bubblewrap")
    parser.add_argument("--executions", type=int, default=10_000)
    options = parser.parse_args()
    with open_sandbox(options.sandbox) as sandbox:
        result = {"sandbox": options.sandbox, "fairness": fairness(sandbox)}
    result["soak"] = soak(options.sandbox, options.executions)
    result["load"] = os.getloadavg()[0]
    json.dump(result, sys.stdout, indent=2)
    print()


def open_sandbox(name):
    if name == "docker":
        from evolvent_sandbox.containers.backend import DockerSandbox

        return DockerSandbox()
    from evolvent_sandbox.bubblewrap import BubblewrapSandbox

    return BubblewrapSandbox()


def soak(name, executions):
    benign = itertools.cycle([p for p in benign_programs() if p.name != "waits_on_pipes"])
    hostile = itertools.cycle([a for a in attacks() if a.way == "call"])
    with Bait() as bait, open_sandbox(name) as sandbox:  # imports and caches of the host itself
        run(sandbox, benign, hostile, bait.told(), 100)
    before = held(name)
    with Bait() as bait, open_sandbox(name) as sandbox:
        told = bait.told()
        run(sandbox, benign, hostile, told, 200)
        gc.collect()
        at_first = resident()
        started = time.monotonic()
        wrong, outcomes = run(sandbox, benign, hostile, told, executions)
        seconds = time.monotonic() - started
        gc.collect()
        growth = resident() - at_first
        disturbed = bait.disturbed()
    after = held(name)
    return {
        "executions": executions,
        "seconds": round(seconds, 1),
        "benign_that_failed": wrong,
        "hostile_outcomes": outcomes,
        "host_disturbed": disturbed,
        "resident_growth_mb": round(growth / 1e6, 1),
        "held_before": before,
        "held_after": after,
        "leaked": {key: after[key] - before[key] for key in before if after[key] > before[key]},
    }


def run(sandbox, benign, hostile, told, executions):
    server = sandbox.forkserver()
    wrong, outcomes = [], {}
    for number in range(executions):
        if number % 10:
            program = next(benign)
            result = server.call_function(program.source, program.name, [[]], Limits(wall_seconds=30))[0]
            if result.value != program.expected:
                wrong.append(f"{program.name}: {result.outcome} {result.error}"[:200])
        else:
            attack = next(hostile)
            limits = Limits(**{**attack.limits.model_dump(), **HOSTILE_LIMITS})
            result = server.call_function(attack.source, attack.name, [[told]], limits)[0]
            outcomes[result.outcome] = outcomes.get(result.outcome, 0) + 1
            if result.value:
                wrong.append(f"{attack.name} got {result.value}"[:200])
    return wrong, outcomes


def held(name):
    """Count what this process and, where it could leave something, the machine hold."""
    time.sleep(2)
    gc.collect()
    return {
        "processes": sum(ours(pid) for pid in Path("/proc").glob("[0-9]*")),
        "threads": threading.active_count(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "mounts": len(Path("/proc/mounts").read_text().splitlines()),
        "control_groups": sum(1 for _ in groups()),
        "temporary_files": sum(1 for _ in Path(tempfile.gettempdir()).glob("evolvent-*")),
        "containers": containers() if name == "docker" else 0,
    }


def ours(process):
    """Whether a process descends from this one."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for _ in range(20):
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid():
                return True
            process = Path(f"/proc/{parent}")
    return False


def groups():
    for top in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup"):
        for folder, folders, _ in os.walk(top):
            yield from (f for f in folders if f.startswith("evolvent-") and f"-{os.getpid()}-" in f)
            if folder.count("/") > 8:
                folders.clear()


def containers():
    from evolvent_sandbox.containers.engine import Engine
    from evolvent_sandbox.containers.reaper import OWNER_LABEL, owner

    with contextlib.closing(Engine.connect()) as engine:
        return len(engine.api.containers(all=True, filters={"label": f"{OWNER_LABEL}={owner()}"}))


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def fairness(sandbox):
    barrier = threading.Barrier(SESSIONS)
    seconds = {}

    def work(number):
        with sandbox.session(Limits(wall_seconds=120, cpu_seconds=60)) as session:
            session.call("load", {"files": {"p.py": PROGRAM}})
            barrier.wait()
            started = time.monotonic()
            session.call("invoke", {"module": "p", "function": "work", "args": [10_000_000]})
            seconds[number] = time.monotonic() - started

    threads = [threading.Thread(target=work, args=(n,)) for n in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    median, slowest = statistics.median(seconds.values()), max(seconds.values())
    return {
        "sessions": SESSIONS,
        "median_s": round(median, 2),
        "slowest_s": round(slowest, 2),
        "slowest_by_median": round(slowest / median, 2),
    }


if __name__ == "__main__":
    main()
