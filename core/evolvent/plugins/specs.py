"""The hook specifications, for the host and for pluggy."""

from __future__ import annotations

from types import FunctionType, SimpleNamespace

from evolvent import hookspecs

__all__ = ["GROUP", "HOOKS", "for_pluggy"]

GROUP = "evolvent"

HOOKS: dict[str, FunctionType] = {
    name: function
    for name, function in vars(hookspecs).items()
    if isinstance(function, FunctionType) and hasattr(function, f"{GROUP}_spec")
}
"""Every hook's specification by name, in the order of the page."""


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
