"""A plugin for Evolvent that brings one of most kinds of things; everything heavy is imported on first use."""

from __future__ import annotations

from typing import Any

from evolvent import PluginManifest, hookimpl
from evolvent_example.guard import review_modification, review_skill, review_tool_call

manifest = PluginManifest(hooks_version=(1, 0), seconds={"review_skill": 2.0})

__all__ = ["manifest", "review_modification", "review_skill", "review_tool_call"]


@hookimpl
def register_tools(register: Any) -> None:
    """Offer a set of tools; each says by itself what it touches."""
    register("letters", _make_tools)


@hookimpl
def register_evaluators(register: Any) -> None:
    """Offer an evaluator."""
    from evolvent_example.evaluator import Close

    register("close", Close())


@hookimpl
def register_suites(register: Any) -> None:
    """Offer a suite."""
    from evolvent_example.suite import Letters

    register("letters", Letters)


@hookimpl
def register_policies(register: Any) -> None:
    """Offer a self-modification policy."""
    from evolvent_example.policy import Youngest

    register("youngest", lambda settings: Youngest())


@hookimpl
def register_models(register: Any) -> None:
    """Offer a model."""
    from evolvent_example.model import Counting

    register("counting", Counting())


@hookimpl
def register_strategies(register: Any) -> None:
    """Offer a strategy."""
    from evolvent_example.strategy import NoteTaker

    register("note-taker", lambda settings: NoteTaker())


@hookimpl
def register_checks(register: Any) -> None:
    """Offer a self-check."""
    register("arithmetic", lambda settings: None if len("four") == 4 else "letters are not counted right")


def _make_tools(settings: Any) -> Any:
    from evolvent_example.tools import make_tools  # imports LangChain

    return make_tools(settings)
