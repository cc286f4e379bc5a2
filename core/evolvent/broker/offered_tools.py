"""The tools of plugins, made on first use."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from evolvent.errors import UnknownName
from evolvent.plugins import OfferedTool, RegisteredTool

__all__ = ["OfferedTools"]

_log = logging.getLogger(__name__)


class OfferedTools:
    """Finds tools by name. A set of tools is registered under one name, its tools are called `name.tool`.

    Args:
        registered: what plugins registered.
        given: what factories may take.
    """

    def __init__(self, registered: Mapping[str, RegisteredTool] | None = None, **given: Any) -> None:
        self._registered, self._given = registered or {}, given
        self._made: dict[str, dict[str, OfferedTool]] = {}
        self._lock = threading.RLock()

    def get(self, name: str) -> OfferedTool:
        """Return a tool.

        Raises:
            UnknownName: there is none.
            EvolventError: its factory says that it cannot be made here.
        """
        for source in (name, *_heads(name)):
            if source in self._registered:
                made = self._make(source)
                if name in made:
                    return made[name]
        raise UnknownName("tool", name, self.names())

    def all(self) -> list[OfferedTool]:
        """Return all tools, sorted by name; a factory that fails is left out with a warning."""
        found: dict[str, OfferedTool] = {}
        for source, registered in self._registered.items():
            try:
                found |= self._make(source)
            except Exception as error:
                _log.warning(
                    "plugin %s: its tools %r cannot be had: %s: %s",
                    registered.plugin,
                    source,
                    type(error).__name__,
                    error,
                )
        return [found[name] for name in sorted(found)]

    def names(self) -> list[str]:
        """Return the names that are known without making anything new."""
        known = {name for made in self._made.values() for name in made}
        return sorted(known | {name for name in self._registered if name not in self._made})

    def _make(self, source: str) -> dict[str, OfferedTool]:
        with self._lock:
            if source not in self._made:
                tools = self._registered[source].build(source, **self._given)
                self._made[source] = {tool.name: tool for tool in tools}
            return self._made[source]


def _heads(name: str) -> list[str]:
    """Return `a.b`, `a` for `a.b.c`."""
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1)]
