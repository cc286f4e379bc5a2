"""The plugins of one runtime: imported, checked, called, and left out by name when they break.

A plugin that cannot be imported, needs another version, misspells a hook, hangs or raises never stops the others:
it is named in `failures` with the reason, and `infos` has the command that mends it.
"""

from __future__ import annotations

import logging
import math
import time
import uuid
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from evolvent.errors import ContractViolation, PluginError, UsageError, error_text
from evolvent.plugins.around import NodeSurround
from evolvent.plugins.calls import HookCalls, Implementation, told
from evolvent.plugins.choices import PluginChoice, PluginsFile
from evolvent.plugins.guards import REVIEWS, review
from evolvent.plugins.inspection import check_hooks, deprecations, manifest_of
from evolvent.plugins.loading import import_plugin, package_of
from evolvent.plugins.observers import Observers
from evolvent.plugins.registries import Registries
from evolvent.plugins.relay import RELAY, Call
from evolvent.plugins.specs import GROUP, for_pluggy
from evolvent.protocols import HomeView
from evolvent.settings import Settings
from evolvent.types import (
    Decision,
    Event,
    Modification,
    PanelData,
    PluginDisabled,
    PluginFailed,
    PluginInfo,
    PluginManifest,
    SkillProposal,
    ToolCall,
    Usage,
    digest,
)

__all__ = ["PluginHost"]

_log = logging.getLogger(__name__)

OBSERVED = ("on_event", "around_node", "price_call")
"""Hooks that are switched off when they fail too often. Those of guards never are: they go on rejecting."""


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
        super().__init__()
        self._kinds = self.registries()
        self._settings = settings or Settings()
        self.infos: dict[str, PluginInfo] = {}
        """Everything known of each plugin, those that are not loaded included."""
        self._manifests: dict[str, PluginManifest] = {}
        self._report: Callable[[Event], object] = lambda _: None
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(for_pluggy())  # type: ignore[arg-type]  # any namespace will do
        self._calls = HookCalls(self._settings.trace_plugins, self._note_fault)
        self._observers = Observers(self._tell)
        found = entry_points(group=GROUP) if entries is None else entries
        choice = PluginChoice.of(self._settings)
        self._load_all(sorted(found, key=lambda entry: entry.name), choice)
        # Two entry points of one name: the one that was a guard may be the one that could not be loaded.
        named = {name.partition(" (")[0]: reason for name, reason in self.failures.items()}
        self._lost = {name: reason for name, reason in named.items() if name in choice.guards}
        left = (i.name for i in self.infos.values() if i.state == "left out")
        self._resting = frozenset(name for name in left if name in choice.guards)

    @property
    def failures(self) -> dict[str, str]:
        """Plugin name to the reason why it failed."""
        return {name: info.reason for name, info in self.infos.items() if info.state == "failed"}

    @property
    def loaded(self) -> dict[str, str]:
        """Plugin name to the module that it comes from."""
        return {name: info.module for name, info in self.infos.items() if info.state == "loaded"}

    @property
    def guards(self) -> frozenset[str]:
        """The plugins that review something, those included that could not be loaded this time."""
        asked = {i.plugin for hook in REVIEWS for i in self._calls.of(hook)}
        return frozenset(asked | self._lost.keys())

    def add(self, plugin: Any, name: str) -> None:
        """Add a plugin object that is already in memory.

        Raises:
            PluginError: it misspells a hook, a hook of it raised, or something else has its name.
        """
        module = getattr(plugin, "__name__", type(plugin).__name__)
        self._add(plugin, PluginInfo(name=name, module=module, state="loaded"))

    def report_to(self, report: Callable[[Event], object]) -> None:
        """Record failures from now on, and remember who is a guard: one that cannot be loaded next time rejects."""
        self._report = report
        for name, reason in self.failures.items():
            report(PluginFailed(key=f"plugin:{name}:{digest(reason)}", plugin=name, reason=reason))
        PluginsFile(self._settings.home).remember_guards(self.guards | self._resting)

    def notify(self, event: Event) -> None:
        """Have observers told of an event, in order and soon; the run does not wait for them."""
        if self._calls.of("on_event"):
            self._observers.put(event)

    def flush(self) -> None:
        """Wait until observers were told of every event so far."""
        self._observers.flush()

    def _tell(self, event: Event) -> None:
        """Tell every observer of an event, but for the plugin that it is about."""
        asked = self._calls.of("on_event")
        if isinstance(event, PluginFailed | PluginDisabled):
            asked = [i for i in asked if i.plugin != event.plugin]
        try:
            self._calls.ask("on_event", {"event": event}, asked)
        except BaseException:  # say the ledger is closed: the thread must go on
            _log.exception("an event could not be told")

    def review_modification(self, modification: Modification) -> Decision:
        """Ask the guards about a change of the agent program; the kernel's own review is not among them."""
        return self._review("review_modification", {"modification": modification})

    def review_skill(self, proposal: SkillProposal) -> Decision:
        """Ask the guards about a proposed skill; the kernel's own review is not among them."""
        return self._review("review_skill", {"proposal": proposal})

    def review_tool_call(self, call: ToolCall) -> Decision:
        """Ask the guards about a tool call; the policy file is not among them."""
        return self._review("review_tool_call", {"call": call})

    def _review(self, hook: str, arguments: dict[str, Any]) -> Decision:
        return review(self._calls, hook, arguments, self._lost, self._settings.hook_failures)

    def around(self) -> NodeSurround | None:
        """Return what plugins do around a node; None when there is nothing."""
        return NodeSurround(self._calls, self.state_keys) if self._calls.of("around_node") else None

    def price(self, model: str, usage: Usage) -> float | None:
        """Return what a plugin says that a model call costs, in US dollars; None when none says anything."""
        for answer in self._calls.ask("price_call", {"model": model, "usage": usage}, until=_is_price):
            if answer.fault or answer.value is None:
                continue
            if _is_price(answer.value):
                return float(answer.value)
            fault = f"price_call returned {answer.value!r:.80}; it returns dollars, at least 0, or None"
            self._calls.blame(answer.plugin, "price_call", fault)
        return None

    def panel(self, name: str, view: HomeView) -> PanelData:
        """Return what a panel shows.

        Raises:
            UnknownName: nobody registered it.
            PluginError: it failed, took too long, or returned something else.
        """
        panel, plugin = self.panels.get(name), self.panels.origins[name]
        call = Call(lambda: panel.show(view), self._settings.hook_seconds)
        (outcome,) = RELAY.run([call])
        if outcome.error is not None:
            raise PluginError(plugin, told(f"panel {name!r}", outcome.error)) from outcome.error
        if not isinstance(outcome.value, PanelData):
            kind = type(outcome.value).__name__
            raise ContractViolation(plugin, f"panel {name!r} returned {kind}; it returns a PanelData")
        return outcome.value

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

    def _add(self, plugin: Any, info: PluginInfo) -> None:
        name, started = info.name, time.perf_counter()
        check_hooks(plugin, name)
        if self._manager.has_plugin(name):
            raise PluginError(name, "another plugin of this name is loaded")
        if self._manager.is_registered(plugin):
            raise PluginError(name, "is the same object as another plugin")
        self._manifests[name] = manifest_of(plugin, name)
        remarks = deprecations(plugin, name)
        self._manager.register(plugin, name=name)
        hooks = self._calls.add(plugin, name, partial(self._seconds, name))
        try:
            self._manager.check_pending()
            self._register(name, hooks)
        except BaseException as error:
            self._manager.unregister(plugin, name=name)
            self._calls.remove(name)
            for registry in self.registries().values():
                registry.forget(name)
            if isinstance(error, PluginError | KeyboardInterrupt):
                raise
            raise PluginError(name, error_text(error)) from error
        registers = {
            registry.what: tuple(sorted(n for n, origin in registry.origins.items() if origin == name))
            for registry in self.registries().values()
        }
        self.infos[name] = info.model_copy(
            update={
                "hooks": tuple(sorted(hooks)),
                "registers": {what: names for what, names in registers.items() if names},
                "remarks": (*info.remarks, *remarks),
                "load_ms": round(info.load_ms + (time.perf_counter() - started) * 1000, 2),
            }
        )

    def _register(self, name: str, hooks: dict[str, Implementation]) -> None:
        """Let a plugin register what it has, all kinds in one hand-over."""
        own = {hook: made for hook, made in hooks.items() if hook in self._kinds}
        calls = []
        for hook, made in own.items():
            given = {"register": self._kinds[hook].registrar(name), "settings": self._settings}
            calls.append(partial(made.function, **{key: given[key] for key in made.takes}))
        for hook, answer in zip(own, self._calls.run(list(own), list(own.values()), calls), strict=True):
            if isinstance(answer.error, PluginError):
                raise answer.error
            if answer.fault:
                raise PluginError(name, answer.fault) from answer.error
            if answer.value is not None:
                kind = type(answer.value).__name__
                raise ContractViolation(
                    name, f"{hook}() returned {kind}; it registers by calling register(name, …)"
                )

    def _seconds(self, name: str, hook: str) -> float:
        """Return how long a plugin's hook may take."""
        usual = self._settings.plugin_seconds if hook.startswith("register_") else self._settings.hook_seconds
        return self._manifests[name].seconds.get(hook, usual)

    def _note_fault(self, name: str, hook: str, fault: str) -> None:
        """Report a hook that failed; one that is only heard is switched off when it fails too often."""
        if hook.startswith("register_"):
            return  # becomes a PluginError
        times, mend = self._calls.faults[name, hook], f"evolvent plugins disable {name}"
        _log.warning("plugin %s: %s; to take it out: %s", name, fault, mend)
        key = f"plugin:{name}:{hook}:{digest(fault)}"
        self._report(PluginFailed(key=key, plugin=name, reason=fault[:2000]))
        if hook in OBSERVED and times == self._settings.hook_failures:
            reason = f"failed {times} times, the last time: {fault}"
            self._calls.remove(name, hook)
            self._note_failure(name, f"{hook} is not called any more: {reason}")
            _log.warning("plugin %s: %s is not called any more in this process", name, hook)
            key = f"plugin-disabled:{name}:{hook}:{uuid.uuid4().hex}"
            self._report(PluginDisabled(key=key, plugin=name, hook=hook, reason=reason[:2000]))

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
            plugin, remarks, load_ms = import_plugin(entry, self._settings.plugin_seconds)
            self._add(plugin, info.model_copy(update={"remarks": remarks, "load_ms": load_ms}))
        except Exception as error:
            name = entry.name if known is None else f"{entry.name} ({entry.value})"
            self.infos[name] = info.model_copy(update={"name": name})
            reason = str(error) if isinstance(error, PluginError) else error_text(error)
            self._note_failure(name, reason.removeprefix(f"plugin {entry.name!r}: "))

    def _note_failure(self, name: str, reason: str) -> None:
        info = self.infos[name]
        mend = f"evolvent plugins disable {name}"
        if info.distribution:
            mend += f"   # or: pip install --upgrade {info.distribution}"
        self.infos[name] = info.model_copy(update={"state": "failed", "reason": reason, "mend": mend})


def _is_price(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    )
