"""Calling a hook of all plugins: in order, bounded in time, with values that they cannot change."""

from __future__ import annotations

import inspect
import sys
from bisect import insort
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from evolvent.errors import error_text
from evolvent.plugins.read_only import read_only
from evolvent.plugins.relay import RELAY, Call, Outcome, TookTooLong
from evolvent.plugins.specs import HOOKS, PASSED, implementations

__all__ = ["Answer", "HookCalls", "Implementation", "told"]


class Implementation(NamedTuple):
    """One plugin's function for a hook."""

    place: tuple[bool, bool, int]
    """Sorts implementations into calling order: `tryfirst`, then as plugins were added, then `trylast`."""
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
        trace: whether each call is told on stderr.
        failed: hears of every failure: `(plugin, hook, fault)`.
    """

    def __init__(self, trace: bool, failed: Callable[[str, str, str], None]) -> None:
        self._trace, self._failed = trace, failed
        self._hooks: dict[str, list[Implementation]] = {hook: [] for hook in HOOKS}
        self._added = 0
        self.faults: Counter[tuple[str, str]] = Counter()
        """Failures so far by plugin and hook."""
        self.hangs: Counter[tuple[str, str]] = Counter()
        """Of these, those that left a thread behind."""

    def add(self, plugin: Any, name: str, seconds: Callable[[str], float]) -> dict[str, Implementation]:
        """Take a plugin's implementations in; returns them by hook.

        Args:
            plugin: was checked before.
            name: its name.
            seconds: how long a call of its hook may take.
        """
        self._added += 1
        made = {}
        for hook, function, options in implementations(plugin):
            if hook in HOOKS:
                place = (not options.get("tryfirst"), bool(options.get("trylast")), self._added)
                takes = inspect.signature(function).parameters.keys() & PASSED[hook]
                made[hook] = Implementation(place, name, function, frozenset(takes), seconds(hook))
        for hook, implementation in made.items():
            insort(self._hooks[hook], implementation)
        return made

    def remove(self, name: str, hook: str | None = None) -> None:
        """Do not call a plugin any more: one hook of it, or all."""
        for known in self._hooks if hook is None else (hook,):
            self._hooks[known] = [i for i in self._hooks[known] if i.plugin != name]

    def of(self, hook: str) -> Sequence[Implementation]:
        """Return who implements a hook, in calling order."""
        return self._hooks[hook]

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
            arguments: by keyword; a plugin gets those that it names, and cannot change them.
            asked: the implementations to call; default: all.
            until: says of a value that it is enough.
        """
        asked = self.of(hook) if asked is None else asked
        if not asked:
            return []
        given = {name: read_only(value) for name, value in arguments.items()}
        calls = [Call(_bound(i, given), i.seconds) for i in asked]
        return self._settle([hook] * len(asked), asked, RELAY.run(calls, until))

    def run(
        self, hooks: Sequence[str], asked: Sequence[Implementation], calls: Sequence[Callable[[], Any]]
    ) -> list[Answer]:
        """Make calls for implementations of hooks, one each."""
        timed = [Call(call, i.seconds) for i, call in zip(asked, calls, strict=True)]
        return self._settle(hooks, asked, RELAY.run(timed))

    def _settle(
        self, hooks: Sequence[str], asked: Sequence[Implementation], outcomes: Sequence[Outcome]
    ) -> list[Answer]:
        """Turn outcomes into answers; failures are counted and told."""
        if not self._trace and not any(outcome.error for outcome in outcomes):
            return [Answer(i.plugin, outcome.value) for i, outcome in zip(asked, outcomes, strict=False)]
        answers = []
        for hook, implementation, (value, error, seconds) in zip(hooks, asked, outcomes, strict=False):
            fault = "" if error is None else told(hook, error)
            if self._trace:
                _print_trace(implementation.plugin, hook, value, error, seconds)
            if isinstance(error, TookTooLong):
                self.hangs[implementation.plugin, hook] += 1
            if fault:
                self.blame(implementation.plugin, hook, fault)
            answers.append(Answer(implementation.plugin, value, fault, error))
        return answers

    def blame(self, plugin: str, hook: str, fault: str) -> None:
        """Count a failure, and tell of it."""
        self.faults[plugin, hook] += 1
        self._failed(plugin, hook, fault)


def told(hook: str, error: BaseException) -> str:
    """Return in words how a call failed."""
    if isinstance(error, TookTooLong):
        return f"{hook} {error}"
    return f"{hook} raised {error_text(error)}"


def _bound(implementation: Implementation, given: dict[str, Any]) -> Callable[[], Any]:
    takes = implementation.takes
    if len(takes) == len(given):
        return partial(implementation.function, **given)
    return partial(implementation.function, **{name: given[name] for name in takes})


def _print_trace(plugin: str, hook: str, value: Any, error: BaseException | None, seconds: float) -> None:
    if error is not None:
        outcome = f"raised {type(error).__name__}"
    else:
        outcome = (
            "done" if value is None else f"returned {type(value).__name__}, {len(repr(value))} characters,"
        )
    print(f"plugin {plugin}: {hook} {outcome} in {seconds * 1000:.2f} ms", file=sys.stderr)  # noqa: T201
