"""Checking everything that plugins registered: what `evolvent plugins doctor` runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Literal

from evolvent.errors import MissingPrerequisite, UsageError
from evolvent.plugins import Call, PluginHost, Relay, TookTooLong
from evolvent.protocols import Evaluator, FunctionServer, Sandbox, SandboxFactory
from evolvent.settings import Settings
from evolvent.testing.embedder_conformance import check_embedder
from evolvent.testing.model_conformance import check_model_provider
from evolvent.testing.policy_conformance import check_operator, check_policy
from evolvent.testing.practice_conformance import (
    check_curriculum,
    check_executor,
    check_panel,
    check_strategy,
)
from evolvent.testing.sandbox_conformance import check_results
from evolvent.testing.suite_conformance import check_suite
from evolvent.testing.tool_conformance import check_tool
from evolvent.types import Frozen, Task, Verdict

__all__ = ["PluginCheck", "conformance_of"]

SECONDS = 120.0
"""After which a check is given up."""
ODD_ANSWERS: tuple[Any, ...] = (None, "", 0, -1.5, True, [], {}, "x" * 10_000, [[]], {"a": None}, "\x00é漢")


class Skipped(Exception):
    """There is nothing to check here; the message says why."""


class PluginCheck(Frozen):
    """The outcome of one check."""

    plugin: str
    kind: str
    """Kind of what was checked, such as `tool`, or `self-check`."""
    name: str
    outcome: Literal["passed", "failed", "skipped"]
    reason: str = ""


def conformance_of(host: PluginHost, settings: Settings, only: str | None = None) -> Iterator[PluginCheck]:
    """Check what plugins registered, each against its kind's contract; nothing costs money or asks a network.

    Args:
        host: with the plugins.
        settings: that things are made with.
        only: a plugin's name; default: all.
    """
    relay = Relay()
    for hook, registry in host.registries().items():
        for name, item in sorted(registry.items.items()):
            plugin = registry.origins[name]
            if only not in (None, plugin):
                continue
            check = CHECKS.get(hook.removeprefix("register_"))
            if check is None:
                continue
            outcome, reason = _tried(relay, check, host, settings, name, item)
            yield PluginCheck(plugin=plugin, kind=registry.what, name=name, outcome=outcome, reason=reason)


def _tried(
    relay: Relay, check: Callable[..., Any], host: PluginHost, settings: Settings, name: str, item: Any
) -> tuple[Literal["passed", "failed", "skipped"], str]:
    (done,) = relay.run([Call(lambda: check(host, settings, name, item), SECONDS)])
    error = done.error
    if error is None:
        return "passed", done.value if isinstance(done.value, str) else ""
    if isinstance(error, Skipped | MissingPrerequisite):
        return "skipped", str(error)[:500]
    if isinstance(error, AssertionError):
        return "failed", str(error)[:1000]
    if isinstance(error, TookTooLong):
        return "failed", str(error)
    return "failed", f"raised {type(error).__name__}: {error}"[:1000]


class _NoSandbox:
    """Refuses to run anything: an evaluator must not need a sandbox for answers that are no code."""

    def call_function(self, *_: Any, **__: Any) -> Any:
        raise UsageError("no sandbox in this check")


def _evaluator(host: PluginHost, settings: Settings, name: str, item: Evaluator) -> None:
    task = Task(prompt="What is it?", evaluator=name, reference=None)
    functions: FunctionServer = _NoSandbox()
    for answer in ODD_ANSWERS:
        try:
            verdict = item.evaluate(task, answer, functions)
        except UsageError:
            continue  # the reference is not what it needs, and it says so
        assert isinstance(verdict, Verdict), f"it returned {type(verdict).__name__} for {answer!r:.40}"


def _suite(host: PluginHost, settings: Settings, name: str, item: Callable[[str], Any]) -> None:
    try:
        item("")
    except UsageError as error:
        raise Skipped(f"it needs to be told what: {error}") from error
    check_suite(lambda: item(""))


def _sandbox(host: PluginHost, settings: Settings, name: str, item: SandboxFactory) -> str:
    try:
        opened: Sandbox = item(settings)
    except UsageError as error:
        raise Skipped(str(error)) from error
    with closing(opened) as sandbox:
        results = list(check_results(sandbox, isolation=sandbox.isolates))
    failed = [f"{check}: {seen}" for check, passed, seen in results if not passed]
    assert not failed, f"{len(failed)} of {len(results)} checks failed: {'; '.join(failed[:3])}"
    return f"{len(results)} checks"


def _tool(host: PluginHost, settings: Settings, name: str, item: Any) -> str:
    made = item.build(name, settings=settings, functions=_NoSandbox())
    for offered in made:
        try:
            check_tool(offered)
        except AssertionError as error:
            raise AssertionError(f"{offered.name}: {error}") from error
    return ", ".join(offered.name for offered in made)


CHECKS: dict[str, Callable[[PluginHost, Settings, str, Any], Any]] = {
    "models": lambda host, settings, name, item: check_model_provider(item, settings),
    "embedders": lambda host, settings, name, item: check_embedder(item(settings)),
    "evaluators": _evaluator,
    "suites": _suite,
    "sandboxes": _sandbox,
    "tools": _tool,
    "strategies": lambda host, settings, name, item: check_strategy(lambda: item(settings)),
    "curricula": lambda host, settings, name, item: check_curriculum(lambda: item(settings)),
    "executors": lambda host, settings, name, item: check_executor(lambda workers: item(settings, workers)),
    "policies": lambda host, settings, name, item: check_policy(item(settings)),
    "operators": lambda host, settings, name, item: check_operator(item(settings)),
    "panels": lambda host, settings, name, item: check_panel(item),
    "checks": lambda host, settings, name, item: item(settings),
}
"""Kind of registry to its check: `(host, settings, name, item)`; raises, or returns a remark."""
