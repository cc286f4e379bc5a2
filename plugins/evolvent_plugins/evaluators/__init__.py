"""The built-in evaluators; each judges on the host, from values."""

from __future__ import annotations

from collections.abc import Callable

from evolvent.hookspecs import hookimpl
from evolvent.protocols import Evaluator
from evolvent_plugins.evaluators.exact import Exact
from evolvent_plugins.evaluators.reasoning_gym import ReasoningGym

__all__ = ["Exact", "ReasoningGym", "register_evaluators"]


@hookimpl
def register_evaluators(register: Callable[[str, Evaluator], None]) -> None:
    """Register the built-in evaluators."""
    register("exact", Exact())
    register("reasoning-gym", ReasoningGym())
