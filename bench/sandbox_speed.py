"""How long isolated executions take; prints JSON.

For each backend, bubblewrap with and without its zygote: `warm_call_ms`: one call of a ten-line function when a guest
is ready. `back_to_back_ms`: the same without a pause, so that starting guests is paid for. `forkserver_ms`: the same
call with another source each time through the forkserver, without a pause. `batch_call_ms`: one of many calls in one
guest. `session_ms`: taking and closing a warm session. `fresh_guest_ms`: starting a guest until it reports. For
scale, in the same run: `peer_bwrap_python_ms` and `peer_docker_run_ms`, the same interpreter doing nothing, run to
its end, and `peer_docker_exec_ms`, the same in a container that runs already.
"""

import argparse
import itertools
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
    parser.add_argument("--docker", action="store_true", help="measure the docker backend too")
    options = parser.parse_args()
    figures = {}
    with BubblewrapSandbox(zygote=False) as sandbox:
        figures["bubblewrap_without_zygote"] = backend(sandbox, options.rounds)
    with BubblewrapSandbox() as sandbox:
        figures["bubblewrap"] = backend(sandbox, options.rounds)
        peer = measure(peer_command(sandbox), options.rounds, pause=0.05)
        figures["bubblewrap"]["peer_bwrap_python_ms"] = peer
    if options.docker:
        from evolvent_sandbox.containers.backend import DockerSandbox

        with DockerSandbox() as sandbox:
            figures["docker"] = backend(sandbox, options.rounds)
            figures["docker"] |= docker_peers(sandbox, max(10, options.rounds // 4))
    json.dump({**figures, "load": os.getloadavg()[0]}, sys.stdout, indent=2)
    print()


def backend(sandbox, rounds):
    server = sandbox.forkserver()
    numbers = itertools.count()
    call(server)
    return {
        "warm_call_ms": measure(lambda: call(sandbox), rounds, pause=0.3),
        "back_to_back_ms": measure(lambda: call(sandbox), rounds),
        "forkserver_ms": measure(lambda: call(server, f"# {next(numbers)}"), 10 * rounds),
        "batch_call_ms": batch(sandbox, rounds),
        "session_ms": measure(lambda: sandbox.session().close(), rounds, pause=0.3),
        "fresh_guest_ms": measure(lambda: fresh(sandbox), rounds, pause=0.05),
        "interpreter": sandbox.describe()["interpreter"],
    }


def docker_peers(sandbox, rounds):
    """Time the engine's own client doing the least that it can."""
    client = ["docker", "--host", sandbox._engine.address]
    python = [*sandbox._interpreter, "-I", "-S", "-c", "pass"]
    run = [*client, "run", "--rm", "--network=none", sandbox._image, *python]
    with sandbox.session() as session:
        inside = [*client, "exec", session._guest.container, *python]
        return {
            "peer_docker_exec_ms": measure(lambda: subprocess.run(inside, check=True) and None, rounds),
            "peer_docker_run_ms": measure(lambda: subprocess.run(run, check=True) and None, rounds),
        }


def call(server, comment=""):
    result = server.call_function(SOURCE + comment, "solve", [ARGS])[0]
    if result.value != "ainomma":
        raise SystemExit(f"wrong result: {result}")


def batch(sandbox, rounds):
    started = time.perf_counter()
    sandbox.call_function(SOURCE, "solve", [ARGS] * rounds)
    return {"mean": round((time.perf_counter() - started) / rounds * 1000, 2)}


def fresh(sandbox):
    guest = sandbox._launch(sandbox._shape(sandbox.limits))
    guest.settle()
    wait_ready(guest)
    return guest.kill


def peer_command(sandbox):
    drop = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    command = [str(sandbox._bwrap), "--disable-userns", "--tmpfs", "/work", *sandbox._layout._files]
    command += ["--chdir", "/work", "--", *sandbox._interpreter.command, "-I", "-S", "-c", "pass"]
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
