"""Tools that plugins registered, with what they declare to touch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from evolvent.errors import ContractViolation
from evolvent.plugins.registry import Registry
from evolvent.types import Touch

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

__all__ = ["OfferedTool", "RegisteredTool", "ToolRegistry"]

GIVEN = ("settings", "functions")


@dataclass(frozen=True)
class OfferedTool:
    """A tool as guests can call it."""

    name: str
    tool: BaseTool
    touches: frozenset[Touch] | None
    """None: it declares nothing."""
    plugin: str


@dataclass(frozen=True)
class RegisteredTool:
    """What a plugin registered: a tool, or the factory of one or several."""

    make: Callable[..., Any]
    touches: frozenset[Touch] | None
    plugin: str

    def build(self, name: str, **given: Any) -> list[OfferedTool]:
        """Make the tools; the factory gets those of `settings` and `functions` that it has parameters for.

        Raises:
            ContractViolation: it made something that is no tool, or a tool declares an unknown touch.
        """
        wanted = inspect.signature(self.make).parameters
        made = self.make(**{key: value for key, value in given.items() if key in wanted})
        if isinstance(made, Sequence) and not isinstance(made, str):
            return [self._offer(f"{name}.{getattr(tool, 'name', '?')}", tool) for tool in made]
        return [self._offer(name, made)]

    def _offer(self, name: str, tool: Any) -> OfferedTool:
        if not _is_tool(tool):
            raise ContractViolation(
                self.plugin, f"the tool {name!r} is a {type(tool).__name__}; it must be a LangChain BaseTool"
            )
        own = (tool.metadata or {}).get("touches")
        touches = self.touches if own is None else _touches(self.plugin, name, own)
        return OfferedTool(name, tool, touches, self.plugin)


class ToolRegistry(Registry[RegisteredTool]):
    """Takes tools and factories of tools."""

    def _keep(self, plugin: str, name: str, item: Any, touches: Iterable[str] | None = None) -> None:
        make = partial(_given_tool, item) if _is_tool(item) else item
        if not callable(make):
            raise ContractViolation(
                plugin,
                f"registered {type(item).__name__} {item!r:.80} as the {self.what} {name!r}; "
                f"give a LangChain tool, or a factory that takes {' and '.join(GIVEN)} or neither (must have __call__)",
            )
        if make is item and (unknown := [n for n in _required(make) if n not in GIVEN]):
            raise ContractViolation(
                plugin,
                f"the factory of the {self.what} {name!r} takes {unknown[0]!r}; it can take {' and '.join(GIVEN)}",
            )
        for other in self.items:
            if isinstance(name, str) and (name.startswith(f"{other}.") or other.startswith(f"{name}.")):
                raise ContractViolation(
                    plugin,
                    f"registered the {self.what} {name!r} beside {other!r} of plugin {self.origins[other]!r}; what "
                    "stands before a dot names a set of tools, so one would hide the other",
                )
        declared = None if touches is None else _touches(plugin, name, touches)
        super()._keep(plugin, name, RegisteredTool(make, declared, plugin))


def _given_tool(tool: Any) -> Any:
    return tool


def _is_tool(item: Any) -> bool:
    # Duck-typed first: importing langchain_core takes longer than loading all plugins.
    if not (hasattr(item, "args_schema") and hasattr(item, "invoke")):
        return False
    from langchain_core.tools import BaseTool

    return isinstance(item, BaseTool)


def _required(make: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]


def _touches(plugin: str, name: str, given: Iterable[str]) -> frozenset[Touch]:
    known = {touch.value for touch in Touch}
    names = [given] if isinstance(given, str) else list(given)
    if unknown := [n for n in names if n not in known]:
        raise ContractViolation(
            plugin,
            f"the tool {name!r} declares that it touches {unknown[0]!r}; known: {', '.join(sorted(known))}",
        )
    return frozenset(Touch(n) for n in names)
