"""Running the conformance suite of its kind over everything that plugins registered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from evolvent.plugins import PluginHost
from evolvent.settings import Settings
from evolvent.testing.guarded import TookTooLong, guarded, missing_prerequisite
from evolvent.testing.kind_checks import KINDS, Given, Skipped
from evolvent.types import Frozen, Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evolvent.protocols import Sandbox
    from evolvent.types import CallResult, JsonValue

__all__ = ["PluginCheck", "conformance_of"]

SECONDS = 20.0
"""After which a check counts as hanging; a sandbox gets as much for each check of its contract."""
QUICK = 2.0
"""Seconds of one call of a function that an evaluator or a tool makes."""
OWN_TIME = ("register_sandboxes",)
"""Kinds whose checks watch the time of each of their pieces."""


class PluginCheck(Frozen):
    """What came of checking one thing that a plugin brings."""

    plugin: str
    kind: str
    """As the registry calls it: `policy`, `tool`, …; `self-check` for a check of the plugin's own."""
    name: str
    """Under which it is registered."""
    outcome: Literal["passed", "failed", "skipped"]
    reason: str = ""
    """Why it failed or was skipped; of a self-check that passed its remark."""


def conformance_of(
    host: PluginHost, settings: Settings, only: str | None = None, seconds: float = SECONDS
) -> Iterator[PluginCheck]:
    """Check everything that the plugins of a host registered, one by one.

    A check that raises anything, SystemExit included, or hangs has failed and does not stop the others; one that
    hangs leaves a daemon thread behind. A MissingPrerequisite means skipped. No model is called or fetched; no
    tool is called but those that touch nothing and have examples. Suites and evaluators are checked with the
    `example` that they declare: what follows `scheme:`, or `(task, right answer)`. A sandbox runs the hostile
    programs of its contract, as `evolvent sandbox check` does.

    Args:
        host: with the plugins; those that are not loaded registered nothing and are in its `failures`.
        settings: for the factories.
        only: the plugin whose things are checked; default: all.
        seconds: after which a check counts as hanging.
    """
    functions = _LateFunctions(host, settings)
    try:
        for hook, registry in host.registries().items():
            for name in registry.names():
                if only not in (None, registry.origins[name]):
                    continue
                given = Given(name, settings, functions, seconds)
                check = partial(_check, hook, registry.items[name], given)
                outcome, reason = _outcome(check, None if hook in OWN_TIME else seconds)
                yield PluginCheck(
                    plugin=registry.origins[name],
                    kind=registry.what,
                    name=name,
                    outcome=outcome,
                    reason=reason,
                )
    finally:
        with suppress(Exception):  # nothing is checked any more: what closing raises says nothing of a plugin
            guarded(functions.close, seconds)


def _check(hook: str, item: Any, given: Given) -> str | None:
    if hook not in KINDS:
        raise Skipped("there is no conformance suite for this kind")
    return KINDS[hook](item, given)


def _outcome(
    check: Callable[[], str | None], seconds: float | None
) -> tuple[Literal["passed", "failed", "skipped"], str]:
    try:
        return "passed", guarded(check, seconds) or ""
    except Skipped as skipped:
        return "skipped", str(skipped)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        missing = missing_prerequisite(error)
        if missing is not None:
            return "skipped", f"{missing.what}; mend it with: {missing.command}"
        known = isinstance(error, AssertionError | TookTooLong) and str(error)
        return "failed", str(error) if known else f"{type(error).__name__}: {error}".rstrip(": ")


class _LateFunctions:
    """A function server that opens a sandbox when it is first asked: most things that get one never ask."""

    def __init__(self, host: PluginHost, settings: Settings) -> None:
        self._host, self._settings = host, settings
        self._lock = threading.Lock()
        self._sandbox: Sandbox | None = None

    def call_function(
        self,
        source: str,
        function: str,
        calls: Sequence[Sequence[JsonValue]],
        limits: Limits | None = None,
    ) -> list[CallResult]:
        """Call a function in the sandbox that the settings choose, each call for two seconds at most.

        An evaluator gives a program that never ends its usual time; a check has to be through before.

        Raises:
            MissingPrerequisite: none runs here.
        """
        from evolvent.sandboxes import choose_sandbox

        with self._lock:
            if self._sandbox is None:
                self._sandbox = choose_sandbox(self._host, self._settings)
        limits = limits or Limits()
        quick = limits.model_copy(update={"wall_seconds": min(limits.wall_seconds, QUICK)})
        return self._sandbox.call_function(source, function, calls, quick)

    def close(self) -> None:
        """Close the sandbox, if one was opened."""
        if self._sandbox is not None:
            self._sandbox.close()
