"""How each kind of thing that plugins bring is checked: one function a registry.

Suites are imported when they are needed: those of models, tools and strategies bring LangChain along.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from evolvent.errors import UsageError
from evolvent.protocols import FunctionServer
from evolvent.settings import Settings
from evolvent.testing.contract import require
from evolvent.testing.guarded import guarded

__all__ = ["KINDS", "Given", "KindCheck", "Skipped"]

TOOL_NAME = 64
"""Characters that a request of a guest has for the name of a tool."""


class Skipped(Exception):
    """It cannot be checked here; the message says why."""


class Given(NamedTuple):
    """What there is to check something with."""

    name: str
    """Under which it is registered."""
    settings: Settings
    functions: FunctionServer
    seconds: float
    """After which a piece of a check that has many counts as hanging."""


KindCheck = Callable[[Any, Given], "str | None"]
"""Returns a remark or None; raises when it failed, and `Skipped`."""


def _model(provider: Any, given: Given) -> None:
    from evolvent.testing.model_conformance import check_model_list

    check_model_list(provider, given.settings, given.name)


def _embedder(factory: Any, given: Given) -> None:
    from evolvent.testing.embedder_conformance import check_embedder

    check_embedder(factory(given.settings))


def _evaluator(evaluator: Any, given: Given) -> None:
    from evolvent.testing.evaluator_conformance import check_evaluator

    example = getattr(evaluator, "example", None)
    if example is None:
        raise Skipped("it has no `example = (task, right answer)` to check it with")
    task, right = example
    check_evaluator(evaluator, task, right, given.functions)


def _suite(factory: Any, given: Given) -> None:
    from evolvent.testing.suite_conformance import check_suite

    example = getattr(factory, "example", None)
    if example is None:
        try:
            factory("")
        except UsageError as error:
            raise Skipped(
                f"it needs something behind `{given.name}:`, and its factory has no `example` of that ({error})"
            ) from error
    check_suite(partial(factory, example or ""))


def _sandbox(factory: Any, given: Given) -> None:
    """Run the contract and the ordinary programs, each with its own time: together they take longer than one may."""
    from evolvent.testing.sandbox_conformance import benign_results, check_results

    try:
        sandbox = guarded(partial(factory, given.settings), given.seconds)
    except UsageError as error:
        raise Skipped(f"it refuses to start with these settings: {error}") from error
    failed = []
    try:
        for results in (check_results(sandbox, isolation=sandbox.isolates), benign_results(sandbox)):
            while (result := guarded(partial(next, results, None), given.seconds)) is not None:
                name, passed, seen = result
                if not passed:
                    failed.append(f"{name}: {seen:.300}")
    finally:
        # What closing raises must not hide what was found.
        with suppress(Exception):
            guarded(sandbox.close, given.seconds)
    require(not failed, f"{len(failed)} checks of a sandbox failed; {'; '.join(failed)}")


def _tool(registered: Any, given: Given) -> None:
    from evolvent.testing.tool_conformance import check_tool

    offered = registered.build(given.name, settings=given.settings, functions=given.functions)
    if not offered:
        raise Skipped("it offers no tool with these settings")
    for tool in offered:
        require(
            len(tool.name) <= TOOL_NAME,
            f"guests would call the tool {tool.name!r}; a name has at most {TOOL_NAME} characters",
        )
        check_tool(tool.tool, tool.touches)


def _strategy(factory: Any, given: Given) -> None:
    from evolvent.testing.strategy_conformance import check_strategy

    check_strategy(factory(given.settings))


def _curriculum(factory: Any, given: Given) -> None:
    from evolvent.testing.curriculum_conformance import check_curriculum

    check_curriculum(factory(given.settings))


def _executor(factory: Any, given: Given) -> None:
    from evolvent.testing.executor_conformance import check_executor

    check_executor(partial(factory, given.settings))


def _policy(factory: Any, given: Given) -> None:
    from evolvent.testing.policy_conformance import check_policy

    check_policy(factory(given.settings))


def _operator(factory: Any, given: Given) -> None:
    from evolvent.testing.operator_conformance import check_operator

    check_operator(factory(given.settings))


def _command(command: Any, given: Given) -> None:
    import typer

    if isinstance(command, str):  # "module:name", so that starting up need not import it
        command = pkgutil.resolve_name(command)
    app = command
    if not isinstance(command, typer.Typer):
        app = typer.Typer()
        app.command(given.name)(command)
    made = typer.main.get_command(app)
    require(
        (made.help or "").strip() or getattr(made, "commands", None),
        f"the command {given.name!r} has no help; its docstring must say what it does",
    )


def _panel(panel: Any, given: Given) -> None:
    from evolvent.testing.panel_conformance import check_panel

    check_panel(panel)


def _state_key(description: str, given: Given) -> None:
    require(given.name.isidentifier(), f"the state key {given.name!r} is no identifier; it must be one")
    require(description.strip(), f"the state key {given.name!r} has no description; it must have one")


def _self_check(check: Any, given: Given) -> str | None:
    remark = check(given.settings)
    require(
        remark is None or isinstance(remark, str),
        f"the check returned {remark!r:.80}; it must raise, or return a remark or None",
    )
    return None if remark is None else str(remark)


KINDS: dict[str, KindCheck] = {
    "register_models": _model,
    "register_embedders": _embedder,
    "register_evaluators": _evaluator,
    "register_suites": _suite,
    "register_sandboxes": _sandbox,
    "register_tools": _tool,
    "register_strategies": _strategy,
    "register_curricula": _curriculum,
    "register_executors": _executor,
    "register_policies": _policy,
    "register_operators": _operator,
    "register_commands": _command,
    "register_panels": _panel,
    "register_state_keys": _state_key,
    "register_checks": _self_check,
}
"""By the hook that registers the kind."""
