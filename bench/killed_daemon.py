"""A daemon with a scripted model and a tool whose every effect is a line in a file; `daemon_kills` kills it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from langchain_core.tools import tool

from evolvent import Runtime, Settings, hookimpl
from evolvent.daemon.process import serve
from evolvent.plugins import PluginHost
from evolvent.testing import ScriptedModel

AGENT = """\
def solve(task, ctx):
    say = lambda text: ctx.model.complete([{"role": "user", "content": text}])["text"]
    say("before " + task["prompt"])
    ctx.tools.call("count", {"text": task["prompt"]})
    return say("after " + task["prompt"])
"""
FILE = Path(os.environ["EVOLVENT_HOME"]) / "counted"


class Counter:
    """The independent counter."""

    @hookimpl
    def register_tools(self, register: Any) -> None:
        @tool
        def count(text: str) -> str:
            """Write a line."""
            file = os.open(FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(file, f"{text}\n".encode())
            finally:
                os.close(file)
            return "counted"

        register("count", count, touches=["writes_files"])


def answer(messages: Any) -> str:
    """Take a little time, so that a kill may come meanwhile."""
    time.sleep(0.03)
    return "done"


def open_runtime(settings: Settings) -> Runtime:
    """Open the home with all this."""
    host = PluginHost(settings=settings)
    host.add(Counter(), "counter")
    runtime = Runtime(settings, plugins=host, model=ScriptedModel(script=answer))
    runtime.services.genome = {**runtime.services.genome, "task_agent.py": AGENT}
    return runtime


if __name__ == "__main__":
    serve(Settings(mode="daemon"), background=False, open_runtime=open_runtime)
