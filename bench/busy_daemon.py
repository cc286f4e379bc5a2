"""A daemon that has everything to do: questions, tools, guests that fail or hang, practice, evolution, lessons.

Its own process, with a scripted model; `daemon_soak` and `daemon_evolving` hand in jobs. What a job does is the first
word of its prompt.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.evolution.world import SELECT, World

from bench.killed_daemon import Counter, answer
from evolvent import Runtime, Settings
from evolvent.daemon.process import serve
from evolvent.plugins import PluginHost
from evolvent.practice import EvolveJob
from evolvent.testing import ScriptedModel
from evolvent.types import EvolveOptions

AGENT = '''import re


def solve(task, ctx):
    """Do what the first word says; add what looks like a sum, where the level reaches it."""
    prompt = task["prompt"]
    word = prompt.split()[0]
    if word == "count":
        ctx.tools.call("count", {"text": prompt})
    if word == "compute":
        call = ctx.run_python("def f(n):\\n    return sum(range(n))\\n", "f", [[1000]])[0]
        return call.value
    if word == "fail":
        raise ValueError("this one always fails")
    if word == "hang":
        while True:
            pass
    sum_ = re.fullmatch(r"(\\d+)\\+(\\d+)\\?", prompt)
    if sum_ is None:
        ctx.memory.search(prompt)
        return ctx.model.complete([{"role": "user", "content": prompt}])["text"]
    first, second = map(int, sum_.groups())
    return first + second if (first * 7 + second) % 10 < ctx.parameters["level"] else -1
'''
META = '''def learn(attempts, ctx):
    failed = [a for a in attempts if a["verdict"] and not a["verdict"]["passed"] and a["answer"] is not None]
    if not failed:
        return None
    task = failed[-1]["task"]
    return {"lesson": {"text": "Add again: " + task["prompt"], "situation": task["prompt"], "kind": "example"}}


def improve(parent, history, ctx):
    """Put a remark before the first line."""
    reply = ctx.model.complete([{"role": "user", "content": "Improve the program."}])
    line = parent["files"]["task_agent.py"].splitlines()[0]
    edit = {"path": "task_agent.py", "search": line, "replace": "# " + str(len(history)) + "\\n" + line}
    return {"hypothesis": reply["text"] + str(len(history)), "edits": [edit]}
'''
PARAMETERS = """[parameters.level]
value = 3
low = 0
high = 10
description = "Tenths of the sums that it can do."
"""
GENOME = {
    "task_agent.py": AGENT,
    "meta_agent.py": META,
    "select_parent.py": SELECT,
    "genome.toml": PARAMETERS,
    "prompts/answer.md": "Answer.\n",
}
POLICY = '[daemon]\nwrites_files = "allow"\n'


class ForgetfulModel(ScriptedModel):
    """Keeps no list of its calls: what grows in a soak must be the daemon."""

    def _answer(self, *given: Any) -> str:
        said = super()._answer(*given)
        self._calls.clear()
        return said


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return what such a daemon's process is started with; `home` gets its policy for tools."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "approvals.toml").write_text(POLICY)
    return {
        **os.environ,
        "EVOLVENT_HOME": str(home),
        "EVOLVENT_DAEMON_PORT": "0",
        "EVOLVENT_DAEMON_FREE_MB": "0",
        "EVOLVENT_DAEMON_SUITE": "sums:400",
        "EVOLVENT_SANDBOX": "bubblewrap",
        **more,
    }


def open_runtime(settings: Settings) -> Runtime:
    """Open the home with all this; its first program is the one above, later ones are what evolution makes of it."""
    host = PluginHost(settings=settings)
    host.add(Counter(), "counter")
    host.add(World(), "world")
    runtime = Runtime(settings, plugins=host, model=ForgetfulModel(script=answer))
    if runtime.evolution.genomes.active() is None:
        start = settings.home / "start"
        for path, text in GENOME.items():
            (start / path).parent.mkdir(parents=True, exist_ok=True)
            (start / path).write_text(text)
        EvolveJob(runtime, settings.daemon_suite, EvolveOptions(generations=0, start=str(start))).run()
    return runtime


if __name__ == "__main__":
    if not serve(Settings(mode="daemon", embedder="letters"), open_runtime=open_runtime):
        os._exit(0)
