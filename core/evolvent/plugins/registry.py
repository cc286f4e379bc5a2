"""Things of one kind that plugins registered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from evolvent.errors import ContractViolation, UnknownName

__all__ = ["Registry"]

T = TypeVar("T")


@dataclass
class Registry(Generic[T]):
    """Things of one kind that plugins registered, by name."""

    what: str
    """The kind, as error messages call it."""
    items: dict[str, T] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    """Which plugin registered each name."""
    members: tuple[str, ...] = ()
    """What an item must have; without any it must be callable."""
    absent: dict[str, str] = field(default_factory=dict)
    """Plugins that are not loaded, with the reason: one of them may be what somebody looks for."""

    def get(self, name: str) -> T:
        """Return what is registered under `name`.

        Raises:
            UnknownName: nothing is.
        """
        if name not in self.items:
            raise UnknownName(self.what, name, self.items, self.hint())
        return self.items[name]

    def names(self) -> list[str]:
        """Return all registered names, sorted."""
        return sorted(self.items)

    def hint(self) -> str:
        """Return where else something may come from: plugins that are not loaded, or not installed."""
        if not self.absent:
            return "A plugin may bring more: pip install it."
        absent = "; ".join(f"{name}: {reason}" for name, reason in sorted(self.absent.items()))
        return f"Plugins that are not loaded: {absent}. See `evolvent plugins list`."

    def registrar(self, plugin: str) -> Callable[..., None]:
        """Return the function by which a plugin registers."""
        return partial(self._keep, plugin)

    def _keep(self, plugin: str, name: str, item: T) -> None:
        if not isinstance(name, str) or not name:
            raise ContractViolation(
                plugin, f"registered a {self.what} under {name!r}; use a non-empty string"
            )
        missing = [member for member in self.members or ("__call__",) if not hasattr(item, member)]
        if missing:
            raise ContractViolation(
                plugin,
                f"registered {type(item).__name__} {item!r:.80} as the {self.what} {name!r}; "
                f"one must have {', '.join(missing)}",
            )
        if name in self.items:
            raise ContractViolation(
                plugin,
                f"registered the {self.what} {name!r}, which plugin {self.origins[name]!r} already registered",
            )
        self.items[name] = item
        self.origins[name] = plugin

    def forget(self, plugin: str) -> None:
        """Drop what a plugin registered."""
        for name in [n for n, origin in self.origins.items() if origin == plugin]:
            del self.items[name], self.origins[name]
