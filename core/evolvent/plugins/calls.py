"""Calling a hook of all plugins: in order, bounded in time, with their own copies of what can be changed."""

from __future__ import annotations

import copy
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import pluggy
from pydantic import BaseModel

from evolvent.plugins.relay import Call, Outcome, Relay, TookTooLong
from evolvent.plugins.specs import HOOKS

__all__ = ["Answer", "HookCalls", "Implementation", "told"]

_PLAIN = (str, int, float, bool, bytes, type(None))


class Implementation(NamedTuple):
    """One plugin's function for a hook."""

    plugin: str
    function: Callable[..., Any]
    takes: frozenset[str]
    """Names of the parameters that it wants."""
    seconds: float
    """How long one call may take."""


class Answer(NamedTuple):
    """What one plugin answered to a hook: a value, or why there is none."""

    plugin: str
    value: Any = None
    fault: str = ""
    """In words; empty when the call ended as it should."""
    error: BaseException | None = None


class HookCalls:
    """The hooks of the loaded plugins, ready to be called.

    Args:
        manager: holds the plugins.
        seconds: how long a plugin's call of a hook may take: `(plugin, hook) -> seconds`.
        trace: whether each call is told on stderr.
        failed: hears of every failure: `(plugin, hook, fault)`.
    """

    def __init__(
        self,
        manager: pluggy.PluginManager,
        seconds: Callable[[str, str], float],
        trace: bool,
        failed: Callable[[str, str, str], None],
    ) -> None:
        self._manager, self._seconds, self._trace, self._failed = manager, seconds, trace, failed
        self._relay = Relay()
        self._known: dict[str, tuple[Implementation, ...]] = {}
        self._off: set[tuple[str, str]] = set()
        self.faults: Counter[tuple[str, str]] = Counter()
        """Failures so far by plugin and hook."""

    def forget(self) -> None:
        """Look the implementations up again: plugins came or went."""
        self._known = {}

    def switch_off(self, plugin: str, hook: str) -> None:
        """Do not call this hook of this plugin any more."""
        self._off.add((plugin, hook))
        self.forget()

    def of(self, hook: str) -> tuple[Implementation, ...]:
        """Return who implements a hook, in calling order: `tryfirst`, then by name, then `trylast`."""
        known = self._known.get(hook)
        if known is None:
            known = self._known[hook] = self._look_up(hook)
        return known

    def ask(
        self,
        hook: str,
        arguments: Mapping[str, Any],
        asked: Sequence[Implementation] | None = None,
        until: Callable[[Any], bool] | None = None,
    ) -> list[Answer]:
        """Call a hook of all plugins that implement it.

        Args:
            hook: its name.
            arguments: by keyword; a plugin gets those that it names, and copies of those that can be changed.
            asked: the implementations to call; default: all.
            until: says of a value that it is enough.
        """
        asked = self.of(hook) if asked is None else asked
        if not asked:
            return []
        changeable = [name for name, value in arguments.items() if _changeable(value)]
        calls = [Call(partial(i.function, **_given(i, arguments, changeable)), i.seconds) for i in asked]
        return self.settle(hook, asked, self._relay.run(calls, until))

    def run(
        self, hook: str, asked: Sequence[Implementation], calls: Sequence[Callable[[], Any]]
    ) -> list[Answer]:
        """Make calls for implementations of a hook, one each."""
        timed = [Call(call, i.seconds) for i, call in zip(asked, calls, strict=True)]
        return self.settle(hook, asked, self._relay.run(timed))

    def settle(self, hook: str, asked: Sequence[Implementation], outcomes: Sequence[Outcome]) -> list[Answer]:
        """Turn outcomes into answers; failures are counted and told."""
        answers = []
        for implementation, (value, error, seconds) in zip(asked, outcomes, strict=False):
            fault = "" if error is None else told(hook, error)
            if self._trace:
                _print_trace(implementation.plugin, hook, value, error, seconds)
            if fault:
                self.blame(implementation.plugin, hook, fault)
            answers.append(Answer(implementation.plugin, value, fault, error))
        return answers

    def blame(self, plugin: str, hook: str, fault: str) -> None:
        """Count a failure, and tell of it."""
        self.faults[plugin, hook] += 1
        self._failed(plugin, hook, fault)

    def _look_up(self, hook: str) -> tuple[Implementation, ...]:
        found = getattr(self._manager.hook, hook).get_hookimpls()
        passed = inspect.signature(HOOKS[hook]).parameters
        order = {name: place for place, (name, _) in enumerate(self._manager.list_name_plugin())}
        found = sorted(found, key=lambda i: (not i.tryfirst, i.trylast, order[i.plugin_name]))
        return tuple(
            Implementation(
                i.plugin_name,
                i.function,
                frozenset(inspect.signature(i.function).parameters) & frozenset(passed),
                self._seconds(i.plugin_name, hook),
            )
            for i in found
            if (i.plugin_name, hook) not in self._off
        )


def told(hook: str, error: BaseException) -> str:
    """Return in words how a call failed."""
    if isinstance(error, TookTooLong):
        return f"{hook} {error}"
    return f"{hook} raised {type(error).__name__}: {error}"[:1000]


def _given(
    implementation: Implementation, arguments: Mapping[str, Any], changeable: Sequence[str]
) -> dict[str, Any]:
    given = {name: value for name, value in arguments.items() if name in implementation.takes}
    for name in changeable:
        if name in given:
            given[name] = copy.deepcopy(given[name])
    return given


def _changeable(value: Any) -> bool:
    """Whether somebody who is given a value could change it for others."""
    if isinstance(value, _PLAIN) or callable(value):
        return False
    if isinstance(value, BaseModel) and value.model_config.get("frozen"):
        return any(_changeable(field) for field in value.__dict__.values())
    if isinstance(value, tuple | frozenset):
        return any(_changeable(item) for item in value)
    return isinstance(value, BaseModel | Mapping | list | set)


def _print_trace(plugin: str, hook: str, value: Any, error: BaseException | None, seconds: float) -> None:
    if error is not None:
        outcome = f"raised {type(error).__name__}"
    else:
        outcome = (
            "done" if value is None else f"returned {type(value).__name__}, {len(repr(value))} characters,"
        )
    print(f"plugin {plugin}: {hook} {outcome} in {seconds * 1000:.2f} ms", file=sys.stderr)  # noqa: T201
