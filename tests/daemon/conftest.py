"""Daemons over real runtimes: real database and sandbox, a scripted model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from evolvent import Runtime, Settings
from evolvent.daemon import Daemon
from evolvent.plugins import PluginHost
from evolvent.testing import ScriptedModel
from evolvent.types import Job, JobRequest, JobState

SAYS = "def say(ctx, text):\n    return ctx.model.complete([{'role': 'user', 'content': text}])['text']\n\n"
ASKS = SAYS + "def solve(task, ctx):\n    return say(ctx, task['prompt'])\n"
SPINS = "def solve(task, ctx):\n    while True:\n        pass\n"


def until(true: Callable[[], Any], seconds: float = 90.0) -> Any:
    """Wait until something is so, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = true()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not so within {seconds:g} s")


def ask(prompt: str, **more: Any) -> JobRequest:
    """Return a request to solve something."""
    return JobRequest(payload={"prompt": prompt}, **more)


class Home:
    """Opens runtimes and daemons on the test's home, and closes them."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack

    def runtime(
        self, script: Any = None, *plugins: Any, agent: str | None = ASKS, **settings: Any
    ) -> Runtime:
        self.stack.close()
        chosen = Settings(**settings)
        host = PluginHost(settings=chosen)
        for number, plugin in enumerate(plugins):
            host.add(plugin, f"p{number}")
        model = ScriptedModel(script={"": "42"} if script is None else script)
        runtime = self.stack.enter_context(Runtime(chosen, plugins=host, model=model))
        if agent is not None:
            runtime.services.genome = {**runtime.services.genome, "task_agent.py": agent}
        return runtime

    def daemon(
        self, script: Any = None, *plugins: Any, slots: int = 1, background: bool = False, start: bool = True,
        **more: Any,
    ) -> Daemon:  # fmt: skip
        daemon = Daemon(self.runtime(script, *plugins, **more), slots=slots, background=background)
        self.stack.callback(daemon.drain, 5.0)
        if start:
            daemon.start()
        return daemon


@pytest.fixture
def home(own_home: Path) -> Iterator[Home]:
    with ExitStack() as stack:
        yield Home(stack)


def ended(daemon: Daemon, job: Job, seconds: float = 90.0) -> Job:
    """Wait for the end of a job."""
    return until(lambda: (now := daemon.queue.get(job.id)).state.ended and now, seconds)  # type: ignore[no-any-return]


def in_state(daemon: Daemon, job: Job, state: JobState, seconds: float = 90.0) -> Job:
    """Wait until a job is in a state."""
    return until(lambda: (now := daemon.queue.get(job.id)).state == state and now, seconds)  # type: ignore[no-any-return]
