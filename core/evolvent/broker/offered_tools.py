"""The tools of plugins, made on first use."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from evolvent.errors import PluginError, UnknownName, error_text
from evolvent.plugins import RELAY, Call, OfferedTool, RegisteredTool

__all__ = ["OfferedTools"]

_log = logging.getLogger(__name__)


class OfferedTools:
    """Finds tools by name. A set of tools is registered under one name, its tools are called `name.tool`.

    Args:
        registered: what plugins registered.
        seconds: after which the making of a tool is given up.
        given: what factories may take.
    """

    def __init__(
        self, registered: Mapping[str, RegisteredTool] | None = None, seconds: float = 60.0, **given: Any
    ) -> None:
        self._registered, self._given, self._seconds = registered or {}, given, seconds
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
                    "plugin %s: its tools %r cannot be had: %s",
                    registered.plugin,
                    source,
                    error_text(error),
                )
        return [found[name] for name in sorted(found)]

    def names(self) -> list[str]:
        """Return the names that are known without making anything new."""
        known = {name for made in self._made.values() for name in made}
        return sorted(known | {name for name in self._registered if name not in self._made})

    def _make(self, source: str) -> dict[str, OfferedTool]:
        with self._lock:
            if source not in self._made:
                registered = self._registered[source]
                (outcome,) = RELAY.run([Call(lambda: registered.build(source, **self._given), self._seconds)])
                if isinstance(outcome.error, Exception):
                    raise outcome.error
                if outcome.error is not None:  # a plugin that calls sys.exit ends itself, not us
                    raise PluginError(registered.plugin, error_text(outcome.error))
                self._made[source] = {tool.name: tool for tool in outcome.value}
            return self._made[source]


def _heads(name: str) -> list[str]:
    """Return `a.b`, `a` for `a.b.c`."""
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1)]
