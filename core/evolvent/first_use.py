"""Public names of a package that are imported when they are first used, so that importing the package stays fast."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["first_use"]


def first_use(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a package's `__getattr__` (PEP 562).

    Args:
        package: its `__name__`.
        homes: full name of the module that each public name comes from; none may share its name, for the
            import system sets a package's modules as its attributes, and a name that is there is not asked for.
    """
    if hidden := [name for name, home in homes.items() if home == f"{package}.{name}"]:
        raise ValueError(f"modules of {package} hide its public names: {', '.join(hidden)}")

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return find
