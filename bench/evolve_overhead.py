"""What evolution costs beside the model: candidates a second with an instant model, beside peers; prints JSON.

    python -m bench.evolve_overhead [--candidates 200] [--workers 2] [--peers [PYTHON]]

Every candidate is proposed, reviewed, checked in the sandbox by the contract tests, measured on one train task in a
sandbox session of its own, committed and checkpointed; those that do better are tried on a canary and at the
gate. The evaluator is `exact`.

`processor_ms_per_candidate` is what the machine's processors did for one: a figure that other work on the machine
changes less. It holds the host's process and all guests, the start and the end of the run included; the figures of the
first and of the last tenth of the generations show whether it grows with the archive.

`--peers` runs `bench.evolve_peers` afterwards, with a Python of your choice, since the peers' dependencies are many.
"""

import argparse
import contextlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.evolution.world import World, program

from evolvent.practice import EvolveJob
from evolvent.testing.runtimes import plugin_runtime
from evolvent.types import EvolveOptions


def ours(candidates, width, workers):
    """Return seconds of each generation and the sizes of what is left behind."""
    began = processor_seconds()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "program"
        for path, text in program(5).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        home = Path(folder) / "home"
        times, last = [], time.perf_counter()
        used = [processor_seconds()]

        def listen(generation):
            nonlocal last
            now = time.perf_counter()
            times.append(now - last)
            used.append(processor_seconds())
            last = time.perf_counter()

        with plugin_runtime(World(), home=home, sandbox="bubblewrap", workers=workers) as runtime:
            options = EvolveOptions(
                generations=max(1, candidates // width),
                width=width,
                policy="dgm-h",
                operators=("step",),
                start=str(root),
                train=1,
                gate=1,
                sealed=0,
                first=1,
            )
            job = EvolveJob(runtime, "sums", options, listener=listen)
            last = time.perf_counter()
            report = job.run()
        made = report.candidates
        spent = {what: seconds - began[what] for what, seconds in processor_seconds().items()}
        tenth = max(1, len(times) // 10)
        return {
            "candidates": made,
            "rejected": report.rejected,
            "candidates_per_second": made / sum(times),
            "per_second_by_tenth": [
                round(width * tenth / sum(times[start : start + tenth]), 1)
                for start in range(0, len(times) - tenth + 1, tenth)
            ],
            "slowest_generations_s": {
                number + 1: round(times[number], 2)
                for number in sorted(range(len(times)), key=times.__getitem__)[-3:]
            },
            "processor_ms_first_tenth": per_candidate(used[0], used[tenth], width * tenth),
            "processor_ms_last_tenth": per_candidate(used[-1 - tenth], used[-1], width * tenth),
            "processor_ms_per_candidate": {what: 1000 * s / made for what, s in spent.items()},
            "generation_ms_p50": 1000 * statistics.median(times),
            "database_mb": (home / "evolvent.db").stat().st_size / 1e6,
            "repository_mb": sum(p.stat().st_size for p in (home / "genomes.git").rglob("*") if p.is_file())
            / 1e6,
        }


def per_candidate(before, after, count):
    """Return milliseconds of processor time for one of so many candidates."""
    return {what: 1000 * (after[what] - before[what]) / count for what in after}


def processor_seconds():
    """Return user and system seconds of this process, and of all below it, those that have ended included."""
    host, guests = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    living = [process_seconds(process) for process in below(os.getpid())]
    return {
        "host_user": host.ru_utime,
        "host_system": host.ru_stime,
        "guests_user": guests.ru_utime + sum(user for user, _ in living),
        "guests_system": guests.ru_stime + sum(system for _, system in living),
    }


def below(process):
    """Yield the ids of all living processes below one."""
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text().split()):
                yield child
                yield from below(child)


def process_seconds(process):
    """Return user and system seconds of a living process and of its children that have ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0, 0.0
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[13])) / ticks, (int(fields[12]) + int(fields[14])) / ticks


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--peers",
        nargs="?",
        const=sys.executable,
        metavar="PYTHON",
        help="a Python that has the peers installed",
    )
    args = parser.parse_args()
    found = {"python": platform.python_version(), "workers": args.workers, "width": args.width}
    found["load_before"] = os.getloadavg()[0]
    found["ours"] = ours(args.candidates, args.width, args.workers)
    if args.peers:
        command = [args.peers, "-m", "bench.evolve_peers", "--candidates", str(args.candidates)]
        found["peers"] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
