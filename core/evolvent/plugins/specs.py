"""The hook specifications, for the host and for pluggy."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import FunctionType, SimpleNamespace
from typing import Any

from evolvent import hookspecs

__all__ = ["GROUP", "HOOKS", "PASSED", "for_pluggy", "implementations"]

GROUP = "evolvent"

HOOKS: dict[str, FunctionType] = {
    name: function
    for name, function in vars(hookspecs).items()
    if isinstance(function, FunctionType) and hasattr(function, f"{GROUP}_spec")
}
"""Every hook's specification by name, in the order of the page."""

PASSED: dict[str, frozenset[str]] = {
    name: frozenset(inspect.signature(function).parameters) for name, function in HOOKS.items()
}
"""The parameters that each hook passes."""


def implementations(plugin: Any) -> Iterator[tuple[str, Callable[..., Any], dict[str, Any]]]:
    """Yield hook, function and options of everything in a plugin that is marked as an implementation."""
    for attribute in dir(plugin):
        try:
            function = getattr(plugin, attribute, None)
            options = getattr(function, f"{GROUP}_impl", None)
        except Exception:  # noqa: S112  # a lazy attribute that cannot be had is no hook
            continue
        if function is not None and isinstance(options, dict):
            yield options.get("specname") or attribute, function, options


def for_pluggy() -> SimpleNamespace:
    """Return the specifications with positional parameters: pluggy knows of no others, ours are keyword-only."""
    return SimpleNamespace(**{name: _positional(function) for name, function in HOOKS.items()})


def _positional(function: FunctionType) -> FunctionType:
    code = function.__code__
    code = code.replace(co_argcount=code.co_argcount + code.co_kwonlyargcount, co_kwonlyargcount=0)
    twin = FunctionType(code, function.__globals__, function.__name__)
    twin.__doc__ = function.__doc__
    setattr(twin, f"{GROUP}_spec", getattr(function, f"{GROUP}_spec"))
    return twin
