"""A daemon with a scripted model and a tool whose every effect is a line in a file; `daemon_kills` kills it."""

from __future__ import annotations

import math
import os
import string
import time
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings
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


class Letters(Embeddings):
    """Counts letters: the kills are to come while jobs are done, not while torch is loaded."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return unit vectors."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return a unit vector."""
        counts = [1.0 + text.lower().count(letter) for letter in string.ascii_lowercase]
        length = math.sqrt(sum(count * count for count in counts))
        return [count / length for count in counts]


class Counter:
    """The independent counter."""

    @hookimpl
    def register_embedders(self, register: Any) -> None:
        register("letters", lambda _settings: Letters())

    @hookimpl
    def register_tools(self, register: Any) -> None:
        @tool
        def count(text: str) -> str:
            """Write a line."""
            path = Path(os.environ["EVOLVENT_HOME"]) / "counted"
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
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
    if not serve(Settings(mode="daemon", embedder="letters"), background=False, open_runtime=open_runtime):
        os._exit(0)
