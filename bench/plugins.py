"""What plugins cost; prints JSON.

`hooks`: microseconds of one hook call with 20 plugins registered that all implement the hook and do nothing, beside
pluggy's own call of the same functions without time bounds, isolation and copies. `discovery`: milliseconds of
starting a process that loads the plugins, with and without 50 more installed distributions, in alternating pairs;
each registers a tool, an evaluator and a guard, and imports nothing heavy before one is used.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

from evolvent import Settings, hookimpl
from evolvent.plugins import PluginHost
from evolvent.types import BrokerAnswered, ToolCall

PLUGINS = 20
INSTALLED = 50
MODULE = '''
from evolvent import Decision, Verdict, hookimpl


class Exact:
    def evaluate(self, task, answer, functions):
        return Verdict(score=float(answer == task.reference), passed=answer == task.reference)


def make():
    from langchain_core.tools import tool

    @tool
    def nothing(text: str) -> str:
        """Do nothing."""
        return text

    return nothing


@hookimpl
def register_tools(register):
    register("{name}", make, touches=[])


@hookimpl
def register_evaluators(register):
    register("{name}", Exact())


@hookimpl
def review_tool_call(call):
    return None
'''


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=5_000)
    parser.add_argument("--pairs", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EVOLVENT_HOME"] = folder
        result = {"hooks_us": hooks(options.calls), "discovery": discovery(Path(folder), options.pairs)}
    result["load"] = os.getloadavg()[0]
    json.dump(result, sys.stdout, indent=2)
    print()


def hooks(calls):
    event = BrokerAnswered(key="k", attempt_id="a", method="model.complete", ok=True)
    call = ToolCall(tool="t", arguments={"text": "hello"})

    def around_node(node, state):
        yield

    def surrounded(host):
        surround = host.around()
        surround.before("solve", {"run_id": "r"})
        surround.after({"usage": 1})

    kinds = {
        "on_event": (lambda event: None, lambda host: host.notify(event)),
        "review_tool_call": (lambda call: None, lambda host: host.review_tool_call(call)),
        "around_node": (around_node, surrounded),
    }
    found = {}
    for name, (function, run) in kinds.items():
        host = PluginHost([], Settings())
        for number in range(PLUGINS):
            made = SimpleNamespace(**{name: hookimpl(lambda *a, **k: None)})
            setattr(made, name, hookimpl(_twin(function)))
            host.add(made, f"p{number:02}")
        found[f"{name}, all {PLUGINS} implement it"] = spread(
            lambda run=run, host=host: run(host), calls, host.flush
        )
        if name == "on_event":
            bare = host._manager.hook.on_event
            found["on_event, pluggy's own call"] = spread(lambda bare=bare: bare(event=event), calls)
    host = PluginHost([], Settings())
    for number in range(PLUGINS):
        if number == 0:
            hooks = {"on_event": lambda event: None, "review_tool_call": lambda call: None}
        else:
            hooks = {"review_skill": lambda proposal: None}
        made = SimpleNamespace(**{hook: hookimpl(_twin(function)) for hook, function in hooks.items()})
        host.add(made, f"p{number:02}")
    found[f"on_event, 1 of {PLUGINS} implements it"] = spread(lambda: host.notify(event), calls, host.flush)
    found[f"review_tool_call, 1 of {PLUGINS} implements it"] = spread(
        lambda: host.review_tool_call(call), calls
    )
    return found


def _twin(function):
    """Return a function of its own: one object is one plugin."""
    from types import FunctionType

    return FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)


def spread(act, calls, between=lambda: None):
    """Time single calls; `between` two of them work that goes on by itself is waited for, as a run's own work would."""
    for _ in range(200):
        act()
    taken = []
    for _ in range(calls):
        started = time.perf_counter()
        act()
        taken.append((time.perf_counter() - started) * 1e6)
        between()
    taken.sort()
    return {"p50": round(statistics.median(taken), 1), "p99": round(taken[int(calls * 0.99)], 1)}


def discovery(folder, pairs):
    site = folder / "site"
    for number in range(INSTALLED):
        install(site, f"bench_plugin_{number:02}")
    code = "from evolvent.plugins import PluginHost; h = PluginHost(); print(len(h.loaded))"
    with_them, without = [], []
    for pair in range(pairs + 2):
        for more, times in ((True, with_them), (False, without)):
            environment = {**os.environ, "PYTHONPATH": str(site) if more else ""}
            started = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
            )
            if pair >= 2:  # bytecode and disk caches
                times.append((time.perf_counter() - started) * 1000)
            loaded = int(done.stdout)
            assert (loaded >= INSTALLED) == more, done.stderr
    extra = [a - b for a, b in zip(with_them, without, strict=True)]
    return {
        "plugins": INSTALLED,
        "start_ms_p50": round(statistics.median(without), 1),
        "extra_ms_p50": round(statistics.median(extra), 1),
        "extra_ms_max": round(max(extra), 1),
        "pairs": pairs,
    }


def install(site, name):
    site.mkdir(exist_ok=True)
    (site / f"{name}.py").write_text(MODULE.replace("{name}", name))
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    metadata = (
        f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\nRequires-Dist: evolvent>=0.1\n"
    )
    (info / "METADATA").write_text(metadata)
    (info / "entry_points.txt").write_text(f"[evolvent]\n{name} = {name}\n")


if __name__ == "__main__":
    main()
