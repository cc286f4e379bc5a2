"""A runtime for the tests of a plugin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from evolvent.plugins import PluginHost
from evolvent.runtime import Runtime
from evolvent.settings import Settings
from evolvent.testing.scripted_model import ScriptedModel

__all__ = ["plugin_runtime"]


@contextmanager
def plugin_runtime(
    *plugins: Any,
    agent: str | None = None,
    script: Sequence[Any] | Mapping[str, Any] = (),
    **settings: Any,
) -> Iterator[Runtime]:
    """Open a real runtime with a scripted model and all installed plugins.

    Args:
        plugins: modules or objects with hooks that are not installed; they are named `plugin-1`, `plugin-2`, ….
        agent: source of the task agent, `def solve(task, ctx): ...`; without it the seed genome's answers.
        script: what the model says, as for `ScriptedModel`.
        settings: any field of `Settings`; set `EVOLVENT_HOME` or give `home`, so that no real home is touched.
    """
    chosen = Settings(**settings)
    host = PluginHost(settings=chosen)
    for number, plugin in enumerate(plugins, 1):
        host.add(plugin, f"plugin-{number}")
    model = ScriptedModel(script=script or ["unscripted"])
    with Runtime(chosen, plugins=host, model=model) as runtime:
        if agent is not None:
            runtime.services.genome = {**runtime.services.genome, "task_agent.py": agent}
        yield runtime
