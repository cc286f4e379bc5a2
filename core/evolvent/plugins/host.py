"""The plugins of one runtime: imported, checked, and left out by name when they break.

A plugin that cannot be imported, needs another version, misspells a hook, hangs or raises never stops the others:
it is named in `failures` with the reason, and `infos` has the command that mends it.
"""

from __future__ import annotations

import difflib
import inspect
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from evolvent.errors import ContractViolation, PluginError, UsageError
from evolvent.plugins.choice import PluginChoice
from evolvent.plugins.loading import import_plugin, package_of
from evolvent.plugins.registries import Registries
from evolvent.plugins.registry import Registry
from evolvent.plugins.specs import GROUP, HOOKS, for_pluggy
from evolvent.settings import Settings
from evolvent.types import Event, PluginInfo

__all__ = ["PluginHost"]


class PluginHost(Registries):
    """The plugins of one runtime and their registrations."""

    def __init__(self, entries: Iterable[EntryPoint] | None = None, settings: Settings | None = None) -> None:
        """Load plugins.

        Args:
            entries: the entry points to load; default: those installed in group `evolvent`.
            settings: which of them are wanted, and whether calls are traced; default: of the environment.

        Raises:
            UsageError: the home's file of disabled plugins is damaged, or `EVOLVENT_PLUGINS` names one that is
                not installed.
        """
        settings = settings or Settings()
        super().__init__()
        self.infos: dict[str, PluginInfo] = {}
        """Everything known of each plugin, those that are not loaded included."""
        self._seconds = settings.plugin_seconds
        self._trace = settings.trace_plugins
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(for_pluggy())
        found = entry_points(group=GROUP) if entries is None else entries
        self._load_all(sorted(found, key=lambda entry: entry.name), PluginChoice.of(settings))

    @property
    def failures(self) -> dict[str, str]:
        """Plugin name to the reason why it failed."""
        return {name: info.reason for name, info in self.infos.items() if info.state == "failed"}

    @property
    def loaded(self) -> dict[str, str]:
        """Plugin name to the module that it comes from."""
        return {name: info.module for name, info in self.infos.items() if info.state == "loaded"}

    def add(self, plugin: Any, name: str) -> None:
        """Add a plugin object that is already in memory.

        Raises:
            PluginError: it misspells a hook, a hook of it raised, or something else has its name.
        """
        module = getattr(plugin, "__name__", type(plugin).__name__)
        self._add(plugin, PluginInfo(name=name, module=module, state="loaded"))

    def _add(self, plugin: Any, info: PluginInfo) -> None:
        name, started = info.name, time.perf_counter()
        self._check_spelling(plugin, name)
        if self._manager.has_plugin(name):
            raise PluginError(name, "another plugin of this name is loaded")
        if self._manager.is_registered(plugin):
            raise PluginError(name, "is the same object as another plugin")
        self._manager.register(plugin, name=name)
        try:
            for hook, registry in self.registries().items():
                function = getattr(plugin, hook, None)
                if function is not None:
                    self._register(name, hook, function, registry)
        except BaseException as error:
            self._manager.unregister(plugin, name=name)
            for registry in self.registries().values():
                registry.forget(name)
            if isinstance(error, PluginError | KeyboardInterrupt):
                raise
            raise PluginError(name, f"{type(error).__name__}: {error}") from error
        registers = {
            registry.what: tuple(sorted(n for n, origin in registry.origins.items() if origin == name))
            for registry in self.registries().values()
        }
        self.infos[name] = info.model_copy(
            update={
                "hooks": tuple(caller.name for caller in self._manager.get_hookcallers(plugin) or ()),
                "registers": {what: names for what, names in registers.items() if names},
                "load_ms": round(info.load_ms + (time.perf_counter() - started) * 1000, 2),
            }
        )

    def _register(self, name: str, hook: str, function: Callable[..., Any], registry: Registry[Any]) -> None:
        returned = self._call(name, hook, partial(function, register=registry.registrar(name)))
        if returned is not None:
            raise ContractViolation(
                name,
                f"{hook}() returned {type(returned).__name__}; it registers by calling register(name, …)",
            )

    def _call(self, name: str, hook: str, call: Callable[[], Any]) -> Any:
        """Call a hook of a plugin; with tracing on, say so with time and result on stderr."""
        if not self._trace:
            return call()
        started = time.perf_counter()
        outcome = "raised"
        try:
            result = call()
            outcome = f"returned {type(result).__name__}" if result is not None else "done"
            return result
        finally:
            took = (time.perf_counter() - started) * 1000
            print(f"plugin {name}: {hook} {outcome} in {took:.2f} ms", file=sys.stderr)  # noqa: T201

    def notify(self, event: Event) -> None:
        """Tell every observer of an event; one that raises is disabled and named in `failures`."""
        for implementation in list(self._manager.hook.on_event.get_hookimpls()):
            name, function = implementation.plugin_name, implementation.function
            try:
                self._call(name, "on_event", partial(function, event=event))
            except Exception as error:
                self._note_failure(name, f"on_event raised {type(error).__name__}: {error}")
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

    def _load_all(self, entries: list[EntryPoint], choice: PluginChoice) -> None:
        names = [entry.name for entry in entries]
        if unknown := sorted((choice.only or frozenset()) - set(names)):
            raise UsageError(
                f"EVOLVENT_PLUGINS names {unknown[0]!r}, which is not installed; "
                f"installed: {', '.join(names) or 'none'}"
            )
        for entry in entries:
            self._load(entry, choice)
        absent = {i.name: i.reason for i in self.infos.values() if i.state != "loaded"}
        for registry in self.registries().values():
            registry.absent.update(absent)

    def _load(self, entry: EntryPoint, choice: PluginChoice) -> None:
        package = package_of(entry)
        info = PluginInfo(
            name=entry.name,
            module=entry.value,
            distribution=package.name if package else None,
            version=package.version if package else None,
            state="loaded",
        )
        if choice.only is not None and entry.name not in choice.only:
            update = {
                "state": "left out",
                "reason": "not among EVOLVENT_PLUGINS",
                "mend": "unset EVOLVENT_PLUGINS",
            }
            self.infos[entry.name] = info.model_copy(update=update)
            return
        if entry.name in choice.disabled:
            mend = f"evolvent plugins enable {entry.name}"
            update = {"state": "disabled", "reason": "disabled", "mend": mend}
            self.infos[entry.name] = info.model_copy(update=update)
            return
        known = self.infos.get(entry.name)
        try:
            if known is not None:
                raise PluginError(entry.name, f"{known.module} has the same name")
            plugin, remarks, load_ms = import_plugin(entry, self._seconds)
            self._add(plugin, info.model_copy(update={"remarks": remarks, "load_ms": load_ms}))
        except PluginError as error:
            name = entry.name if known is None else f"{entry.name} ({entry.value})"
            self.infos[name] = info.model_copy(update={"name": name})
            self._note_failure(name, str(error).removeprefix(f"plugin {entry.name!r}: "))

    def _note_failure(self, name: str, reason: str) -> None:
        info = self.infos[name]
        mend = f"evolvent plugins disable {name}"
        if info.distribution:
            mend += f"   # or: pip install --upgrade {info.distribution}"
        self.infos[name] = info.model_copy(update={"state": "failed", "reason": reason, "mend": mend})

    def _check_spelling(self, plugin: Any, name: str) -> None:
        hooks = list(HOOKS)
        for attribute in dir(plugin):
            value = getattr(plugin, attribute, None)
            if getattr(value, f"{GROUP}_impl", None) is None:
                continue
            if attribute not in hooks:
                close = difflib.get_close_matches(attribute, hooks, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else f"; hooks: {', '.join(hooks)}"
                raise PluginError(name, f"implements {attribute!r}, which is no hook{hint}")
            allowed = set(inspect.signature(HOOKS[attribute]).parameters)
            extra = set(inspect.signature(getattr(plugin, attribute)).parameters) - allowed
            if extra:
                raise PluginError(
                    name,
                    f"{attribute}() takes {', '.join(sorted(extra))!r}, which the hook does not pass; "
                    f"it passes: {', '.join(sorted(allowed))}",
                )
