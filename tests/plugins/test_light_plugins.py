"""Plugins that every process loads cost next to nothing to import."""

import os
import subprocess
import sys

import pytest

MEASURE = """
import importlib, sys, time
import evolvent.hookspecs

took = []
for _ in range(20):  # the best of some: other processes use this machine too
    sys.modules.pop({module!r}, None)
    started = time.perf_counter()
    importlib.import_module({module!r})
    took.append((time.perf_counter() - started) * 1000)
heavy = ("langchain", "langchain_core", "langgraph", "numpy", "scipy", "torch", "chromadb", "networkx")
print(min(took), [name for name in heavy if name in sys.modules])
"""


@pytest.mark.parametrize("name", ["policies", "operators", "curricula", "executors"])
def test_importing_it_takes_less_than_two_milliseconds_and_brings_nothing_heavy(name, tmp_path):
    code = MEASURE.format(module=f"evolvent_plugins.{name}")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    took, heavy = done.stdout.strip().split(" ", 1)
    assert heavy == "[]"
    assert float(took) < 2.0
