"""The whole extension surface: one function a hook.

A plugin is a module behind an entry point of the group `evolvent` that implements some of these with
`@evolvent.hookimpl`.
"""

from __future__ import annotations

from collections.abc import Callable

import pluggy

from evolvent.protocols import (
    EmbedderFactory,
    Evaluator,
    ModelProvider,
    SandboxFactory,
    SuiteFactory,
    ToolFactory,
)
from evolvent.types import Event

__all__ = ["hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("evolvent")
hookimpl = pluggy.HookimplMarker("evolvent")


@hookspec
def register_models(register: Callable[[str, ModelProvider], None]) -> None:
    """Register chat models: `register(name, provider)` serves `name:model`."""


@hookspec
def register_embedders(register: Callable[[str, EmbedderFactory], None]) -> None:
    """Register text embedders: `register(name, factory)`."""


@hookspec
def register_evaluators(register: Callable[[str, Evaluator], None]) -> None:
    """Register evaluators: `register(name, evaluator)`; tasks name them."""


@hookspec
def register_suites(register: Callable[[str, SuiteFactory], None]) -> None:
    """Register suites: `register(scheme, factory)` serves `scheme:rest`."""


@hookspec
def register_sandboxes(register: Callable[[str, SandboxFactory], None]) -> None:
    """Register sandboxes: `register(name, factory)`; the factory raises MissingPrerequisite if it cannot run."""


@hookspec
def register_tools(register: Callable[[str, ToolFactory], None]) -> None:
    """Register LangChain tools that guests may call through the broker: `register(name, factory)`."""


@hookspec
def on_event(event: Event) -> None:
    """Observe an entry of the ledger after it was written; what is returned is ignored."""
