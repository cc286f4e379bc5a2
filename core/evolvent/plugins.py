"""Loading plugins and keeping what they register.

A plugin that cannot be imported, misspells a hook or raises is named, disabled and kept in `failures`; it
never stops the others.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

import pluggy

from evolvent import hookspecs
from evolvent.errors import ContractViolation, PluginError, UnknownName, UsageError
from evolvent.protocols import (
    EmbedderFactory,
    Evaluator,
    ModelProvider,
    SandboxFactory,
    SuiteFactory,
    ToolFactory,
)
from evolvent.types import Event

__all__ = ["PluginHost", "Registry"]

GROUP = "evolvent"
T = TypeVar("T")


@dataclass
class Registry(Generic[T]):
    """Things of one kind that plugins registered, by name."""

    what: str
    """The kind, as error messages call it."""
    items: dict[str, T] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    """Which plugin registered each name."""

    def get(self, name: str) -> T:
        """Return what is registered under `name`.

        Raises:
            UnknownName: nothing is.
        """
        if name not in self.items:
            raise UnknownName(
                self.what,
                name,
                self.items,
                "A plugin may bring more; see `evolvent doctor` for those that failed.",
            )
        return self.items[name]

    def names(self) -> list[str]:
        """Return all registered names, sorted."""
        return sorted(self.items)

    def _registrar(self, plugin: str) -> Callable[[str, T], None]:
        def register(name: str, item: T) -> None:
            if not isinstance(name, str) or not name:
                raise ContractViolation(
                    plugin, f"registered a {self.what} under {name!r}; use a non-empty string"
                )
            if name in self.items:
                raise ContractViolation(
                    plugin,
                    f"registered the {self.what} {name!r}, which plugin {self.origins[name]!r} already registered",
                )
            self.items[name] = item
            self.origins[name] = plugin

        return register

    def _forget(self, plugin: str) -> None:
        for name in [n for n, origin in self.origins.items() if origin == plugin]:
            del self.items[name], self.origins[name]


class PluginHost:
    """The plugins of one runtime and their registrations."""

    def __init__(self, entries: Iterable[EntryPoint] | None = None) -> None:
        """Load plugins.

        Args:
            entries: the entry points to load; default: those installed in group `evolvent`.
        """
        self.models: Registry[ModelProvider] = Registry("model provider")
        self.embedders: Registry[EmbedderFactory] = Registry("embedder")
        self.evaluators: Registry[Evaluator] = Registry("evaluator")
        self.suites: Registry[SuiteFactory] = Registry("suite")
        self.sandboxes: Registry[SandboxFactory] = Registry("sandbox")
        self.tools: Registry[ToolFactory] = Registry("tool")
        self.failures: dict[str, str] = {}
        """Plugin name to the reason why it is disabled."""
        self.loaded: dict[str, str] = {}
        """Plugin name to where it comes from."""
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        for entry in sorted(
            entries if entries is not None else entry_points(group=GROUP), key=lambda e: e.name
        ):
            self._load(entry)

    def add(self, plugin: Any, name: str) -> None:
        """Add a plugin object that is already in memory.

        Raises:
            PluginError: it misspells a hook, or a hook of it raised.
        """
        self._check_spelling(plugin, name)
        self._manager.register(plugin, name=name)
        try:
            for registry, hook in self._registries():
                function = getattr(plugin, hook, None)
                if function is not None:
                    function(registry._registrar(name))
        except Exception as error:
            self._manager.unregister(plugin, name=name)
            for registry, _ in self._registries():
                registry._forget(name)
            if isinstance(error, PluginError):
                raise
            raise PluginError(name, f"{type(error).__name__}: {error}") from error
        self.loaded[name] = getattr(plugin, "__name__", type(plugin).__name__)

    def notify(self, event: Event) -> None:
        """Tell every observer of an event; one that raises is disabled and named in `failures`."""
        for implementation in list(self._manager.hook.on_event.get_hookimpls()):
            try:
                implementation.function(event=event)
            except Exception as error:
                name = implementation.plugin_name
                self.failures[name] = f"on_event raised {type(error).__name__}: {error}"
                self._manager.unregister(name=name)

    def suite(self, spec: str) -> Any:
        """Return the suite of a spec such as `reasoning-gym:starter`.

        Raises:
            UnknownName: no such scheme, or the suite has no such family.
            UsageError: the spec has no scheme.
        """
        scheme, colon, rest = spec.partition(":")
        if not colon and scheme not in self.suites.items:
            raise UsageError(
                f"{spec!r} names no suite; write SCHEME or SCHEME:WHAT, for example 'reasoning-gym:starter' or "
                f"'file:tasks.jsonl'; known schemes: {', '.join(self.suites.names())}"
            )
        return self.suites.get(scheme)(rest)

    def _registries(self) -> list[tuple[Registry[Any], str]]:
        return [
            (self.models, "register_models"),
            (self.embedders, "register_embedders"),
            (self.evaluators, "register_evaluators"),
            (self.suites, "register_suites"),
            (self.sandboxes, "register_sandboxes"),
            (self.tools, "register_tools"),
        ]

    def _load(self, entry: EntryPoint) -> None:
        try:
            self.add(entry.load(), entry.name)
        except PluginError as error:
            self.failures[entry.name] = str(error)
        except (Exception, SystemExit) as error:
            self.failures[entry.name] = f"could not be imported: {type(error).__name__}: {error}"

    def _check_spelling(self, plugin: Any, name: str) -> None:
        hooks = [n for n, f in vars(hookspecs).items() if inspect.isfunction(f)]
        for attribute in dir(plugin):
            value = getattr(plugin, attribute, None)
            if getattr(value, f"{GROUP}_impl", None) is None:
                continue
            if attribute not in hooks:
                close = difflib.get_close_matches(attribute, hooks, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else f"; hooks: {', '.join(hooks)}"
                raise PluginError(name, f"implements {attribute!r}, which is no hook{hint}")
            allowed = set(inspect.signature(getattr(hookspecs, attribute)).parameters)
            extra = set(inspect.signature(getattr(plugin, attribute)).parameters) - allowed
            if extra:
                raise PluginError(
                    name,
                    f"{attribute}() takes {', '.join(sorted(extra))!r}, which the hook does not pass; "
                    f"it passes: {', '.join(sorted(allowed))}",
                )
