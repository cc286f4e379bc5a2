"""How long isolated executions take; prints JSON.

`warm_call_ms`: one call of a ten-line function when a guest is ready. `back_to_back_ms`: the same without a
pause, so that starting guests is paid for. `batch_call_ms`: one of many calls in one guest. `session_ms`: taking
and closing a warm session. `fresh_guest_ms`: starting a guest until it reports. `peer_bwrap_python_ms`: for
scale, the same interpreter doing nothing under bubblewrap, run to its end.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from evolvent_sandbox.bubblewrap import BubblewrapSandbox
from evolvent_sandbox.exchange import wait_ready

SOURCE = """
import re
def solve(question):
    match = re.search(r"backward: (\\w+)", question)
    if match is None:
        return None
    word = match.group(1)
    letters = []
    for letter in word:
        letters.insert(0, letter)
    return "".join(letters)
"""
ARGS = ["Spell this word backward: ammonia"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    with BubblewrapSandbox() as sandbox:
        figures = {
            "warm_call_ms": measure(lambda: call(sandbox), rounds, pause=0.15),
            "back_to_back_ms": measure(lambda: call(sandbox), rounds),
            "batch_call_ms": batch(sandbox, rounds),
            "session_ms": measure(lambda: sandbox.session().close(), rounds, pause=0.15),
            "fresh_guest_ms": measure(lambda: fresh(sandbox), rounds, pause=0.05),
            "peer_bwrap_python_ms": measure(peer_command(sandbox), rounds, pause=0.05),
            "interpreter": sandbox.describe()["interpreter"],
            "load": os.getloadavg()[0],
        }
    json.dump(figures, sys.stdout, indent=2)
    print()


def call(sandbox):
    result = sandbox.call_function(SOURCE, "solve", [ARGS])[0]
    if result.value != "ainomma":
        raise SystemExit(f"wrong result: {result}")


def batch(sandbox, rounds):
    started = time.perf_counter()
    sandbox.call_function(SOURCE, "solve", [ARGS] * rounds)
    return {"mean": round((time.perf_counter() - started) / rounds * 1000, 2)}


def fresh(sandbox):
    guest = sandbox._launch(sandbox._shape(sandbox.limits))
    wait_ready(guest)
    return guest.kill


def peer_command(sandbox):
    drop = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    command = [str(sandbox._bwrap), "--tmpfs", "/work", *sandbox._arguments, "--"]
    command += [*sandbox._interpreter.command, "-I", "-S", "-c", "pass"]
    return lambda: subprocess.run(command, check=True, env={}, cwd="/", **drop) and None


def measure(work, rounds, pause=0.0):
    """Time `work`; what it returns is called afterwards, outside the measured time."""
    times = []
    for _ in range(rounds):
        time.sleep(pause)
        started = time.perf_counter()
        after = work()
        times.append((time.perf_counter() - started) * 1000)
        if after is not None:
            after()
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return {"p50": round(cuts[49], 2), "p90": round(cuts[89], 2), "p99": round(cuts[98], 2)}


if __name__ == "__main__":
    main()
