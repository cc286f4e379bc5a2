"""The whole extension surface: one function a hook.

A plugin is a module behind an entry point of the group `evolvent` that implements some of these with
`@evolvent.hookimpl`. Hooks are called with keywords only: an implementation takes the parameters that it needs, by
name, in any order. `hookimpl(tryfirst=True)` and `hookimpl(trylast=True)` order implementations among plugins;
otherwise they are called in the order of the plugins' names.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple

import pluggy

from evolvent.protocols import (
    Check,
    CurriculumFactory,
    EmbedderFactory,
    Evaluator,
    ExecutorFactory,
    ModelProvider,
    OperatorFactory,
    Panel,
    PolicyFactory,
    RegisterTool,
    SandboxFactory,
    StrategyFactory,
    SuiteFactory,
)
from evolvent.settings import Settings
from evolvent.types import Decision, Event, JsonValue, Modification, SkillProposal, ToolCall, Usage

__all__ = ["DEPRECATED", "HOOKS_VERSION", "Deprecation", "hookimpl", "hookspec"]

HOOKS_VERSION = (1, 0)
"""The second number grows when hooks or parameters are added, the first when a plugin must be changed."""


class Deprecation(NamedTuple):
    """A hook or a parameter that will go."""

    since: str
    """The version that began to warn."""
    gone_in: str
    """The next minor version: plugins have one to move."""
    instead: str
    """What to do."""


DEPRECATED: dict[str, Deprecation] = {}
"""`hook` or `hook.parameter` to its deprecation; loading a plugin that uses one warns with the plugin's name."""

hookspec = pluggy.HookspecMarker("evolvent")
hookimpl = pluggy.HookimplMarker("evolvent")


@hookspec
def register_models(*, register: Callable[[str, ModelProvider], None]) -> None:
    """Register chat models: `register(name, provider)` serves `name:model`.

    Returns nothing.
    """


@hookspec
def register_embedders(*, register: Callable[[str, EmbedderFactory], None]) -> None:
    """Register text embedders: `register(name, factory)`.

    Returns nothing.
    """


@hookspec
def register_evaluators(*, register: Callable[[str, Evaluator], None]) -> None:
    """Register evaluators: `register(name, evaluator)`; tasks name them.

    Returns nothing.
    """


@hookspec
def register_suites(*, register: Callable[[str, SuiteFactory], None]) -> None:
    """Register suites: `register(scheme, factory)` serves `scheme:rest`.

    Returns nothing.
    """


@hookspec
def register_sandboxes(*, register: Callable[[str, SandboxFactory], None]) -> None:
    """Register sandboxes: `register(name, factory)`; it raises MissingPrerequisite where it cannot run.

    Returns nothing.
    """


@hookspec
def register_tools(*, register: RegisterTool, settings: Settings) -> None:
    """Register LangChain tools: `register(name, tool, touches=[...])`; guests call them through the broker.

    Returns nothing.
    """


@hookspec
def register_strategies(*, register: Callable[[str, StrategyFactory], None]) -> None:
    """Register ways to solve a task, LangGraph graphs included: `register(name, factory)`.

    Returns nothing.
    """


@hookspec
def register_curricula(*, register: Callable[[str, CurriculumFactory], None]) -> None:
    """Register orders of practice for learning jobs: `register(name, factory)`.

    Returns nothing.
    """


@hookspec
def register_executors(*, register: Callable[[str, ExecutorFactory], None]) -> None:
    """Register executors of parallel work: `register(name, factory)` makes a `concurrent.futures.Executor`.

    Returns nothing.
    """


@hookspec
def register_policies(*, register: Callable[[str, PolicyFactory], None]) -> None:
    """Register self-modification policies: `register(name, factory)`.

    Returns nothing.
    """


@hookspec
def register_operators(*, register: Callable[[str, OperatorFactory], None]) -> None:
    """Register mutation operators of the agent program: `register(name, factory)`.

    Returns nothing.
    """


@hookspec
def register_commands(*, register: Callable[[str, Any], None]) -> None:
    """Register commands: `register(name, command)`, a function, a `typer.Typer`, or `"module:name"` of one.

    Returns nothing.
    """


@hookspec
def register_panels(*, register: Callable[[str, Panel], None]) -> None:
    """Register panels that show something of a home: `register(name, panel)`.

    Returns nothing.
    """


@hookspec
def register_state_keys(*, register: Callable[[str, str], None]) -> None:
    """Declare what `around_node` may add to the state: `register(key, description)`.

    Returns nothing.
    """


@hookspec
def register_checks(*, register: Callable[[str, Check], None]) -> None:
    """Register self-checks for `evolvent plugins doctor`: `register(name, check)`; a check that raises failed.

    Returns nothing.
    """


@hookspec
def review_modification(*, modification: Modification) -> Decision | None:
    """Review a change of the agent program after the kernel did.

    Returns a Decision, or None for no opinion.
    """


@hookspec
def review_skill(*, proposal: SkillProposal) -> Decision | None:
    """Review a proposed skill before it is tested.

    Returns a Decision, or None for no opinion.
    """


@hookspec
def review_tool_call(*, call: ToolCall) -> Decision | None:
    """Review a tool call that the policy file does not deny.

    Returns a Decision, or None for no opinion.
    """


@hookspec
def around_node(
    *, node: str, state: Mapping[str, Any]
) -> Generator[Mapping[str, JsonValue] | None, Mapping[str, Any], Mapping[str, JsonValue] | None]:
    """Run before and after a graph node: a generator that yields once, and gets the node's update there.

    Yields and returns JSON values under its declared state keys, which are added to the state's `extras`, or None.
    """
    return (yield None)


@hookspec(firstresult=True)
def price_call(*, model: str, usage: Usage) -> float | None:
    """Say what a model call costs; the first answer that is not None counts, and without one public list prices.

    Returns US dollars, or None.
    """


@hookspec
def on_event(*, event: Event) -> None:
    """Observe the ledger's entries, in order, soon after each was written; the run does not wait.

    Returns nothing.
    """
