"""Looking at a plugin before its hooks are called: spelling, parameters, versions, deprecations."""

from __future__ import annotations

import difflib
import inspect
import warnings
from typing import Any

from evolvent.errors import PluginError
from evolvent.hookspecs import DEPRECATED, HOOKS_VERSION
from evolvent.plugins.specs import HOOKS, PASSED, implementations
from evolvent.types import PluginManifest

__all__ = ["check_hooks", "deprecations", "manifest_of"]

MAX_SECONDS = 600.0


def check_hooks(plugin: Any, name: str) -> None:
    """Check that a plugin's hooks exist and take only what they are given.

    Raises:
        PluginError: one does not; the message has the nearest real name.
    """
    found: set[str] = set()
    for hook, function, options in implementations(plugin):
        if hook in found:
            raise PluginError(name, f"implements {hook} twice; one of them would never be called")
        found.add(hook)
        if inspect.iscoroutinefunction(function):
            raise PluginError(name, f"{hook}() is async; hooks are ordinary functions")
        if hook not in HOOKS:
            if options.get("optionalhook"):
                continue
            close = difflib.get_close_matches(hook, HOOKS, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; hooks: {', '.join(HOOKS)}"
            raise PluginError(name, f"implements {hook!r}, which is no hook{hint}")
        if options.get("hookwrapper") or options.get("wrapper"):
            raise PluginError(
                name,
                f"{hook}() is a wrapper, and wrappers would come between a guard and its verdict; implement the "
                "hook itself, or around_node",
            )
        allowed = PASSED[hook]
        parameters = inspect.signature(function).parameters.values()
        if hook.startswith("register_") and not parameters:
            raise PluginError(name, f"{hook}() takes no 'register', so it can register nothing")
        needed = [p for p in parameters if p.default is p.empty]
        unknown = [p.name for p in needed if p.name not in allowed or p.kind is p.POSITIONAL_ONLY]
        if unknown:
            raise PluginError(
                name,
                f"{hook}() takes {', '.join(sorted(unknown))!r}, which the hook does not pass; "
                f"it passes by keyword: {', '.join(sorted(allowed))}",
            )


def manifest_of(plugin: Any, name: str) -> PluginManifest:
    """Return what a plugin declares about itself.

    Raises:
        PluginError: it was written for other hooks, or declares nonsense.
    """
    manifest = getattr(plugin, "manifest", None)
    if manifest is None:
        return PluginManifest()
    if not isinstance(manifest, PluginManifest):
        raise PluginError(name, f"its manifest is a {type(manifest).__name__}; use evolvent.PluginManifest")
    major, minor = manifest.hooks_version
    if major != HOOKS_VERSION[0] or minor > HOOKS_VERSION[1]:
        ours = ".".join(map(str, HOOKS_VERSION))
        side = "the plugin" if (major, minor) < HOOKS_VERSION else "evolvent"
        raise PluginError(name, f"was written for hooks {major}.{minor}; these are {ours}: upgrade {side}")
    for hook, seconds in manifest.seconds.items():
        if hook not in HOOKS:
            raise PluginError(name, f"its manifest gives seconds for {hook!r}, which is no hook")
        if not 0 < seconds <= MAX_SECONDS:
            raise PluginError(
                name, f"its manifest gives {seconds!r} s for {hook}; more than 0, at most {MAX_SECONDS:g}"
            )
    return manifest


def deprecations(plugin: Any, name: str) -> tuple[str, ...]:
    """Warn of what a plugin uses that will go, by its name; returns the warnings."""
    found = []
    for hook, function, _ in implementations(plugin):
        parameters = inspect.signature(function).parameters
        for key in (hook, *(f"{hook}.{parameter}" for parameter in parameters)):
            if key in DEPRECATED:
                old = DEPRECATED[key]
                found.append(
                    f"plugin {name!r} uses {key}, deprecated since {old.since}, gone in {old.gone_in}; {old.instead}"
                )
                warnings.warn(found[-1], FutureWarning, stacklevel=2)
    return tuple(found)
