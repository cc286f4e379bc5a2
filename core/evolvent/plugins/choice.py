"""Which plugins a person wants: all that are installed, but for those that were disabled or left out."""

from __future__ import annotations

import json
import os
from pathlib import Path

from evolvent.errors import UsageError
from evolvent.settings import Settings

__all__ = ["DisabledPlugins", "PluginChoice"]

FILE = "plugins.json"


class DisabledPlugins:
    """The names that were disabled, kept in the home."""

    def __init__(self, home: Path) -> None:
        self._path = home.expanduser() / FILE

    def names(self) -> frozenset[str]:
        """Return the disabled names.

        Raises:
            UsageError: the file is damaged.
        """
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return frozenset()
        except OSError as error:
            raise UsageError(f"{str(self._path)!r} cannot be read: {error.strerror}") from None
        try:
            names = json.loads(text)["disabled"]
            if not all(isinstance(name, str) for name in names):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            raise UsageError(
                f"{str(self._path)!r} is damaged: it must hold "
                '{"disabled": ["name", …]}. Mend it, or delete it to enable all plugins'
            ) from None
        return frozenset(names)

    def disable(self, name: str) -> None:
        """Keep a plugin from being loaded from now on.

        Raises:
            UsageError: the file is damaged or cannot be written.
        """
        self._write(self.names() | {name})

    def enable(self, name: str) -> None:
        """Load a plugin again from now on.

        Raises:
            UsageError: the file is damaged or cannot be written.
        """
        self._write(self.names() - {name})

    def _write(self, names: frozenset[str]) -> None:
        draft = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_text(json.dumps({"disabled": sorted(names)}, indent=2) + "\n", encoding="utf-8")
            draft.replace(self._path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise UsageError(f"{str(self._path)!r} cannot be written: {error.strerror}") from None


class PluginChoice:
    """Says of each plugin whether it is wanted."""

    def __init__(self, only: frozenset[str] | None = None, disabled: frozenset[str] = frozenset()) -> None:
        self.only = only
        self.disabled = disabled

    @classmethod
    def of(cls, settings: Settings) -> PluginChoice:
        """Return the choice that the settings and the home make.

        Raises:
            UsageError: the file of disabled plugins is damaged.
        """
        only = None
        if settings.plugins is not None:
            only = frozenset(name.strip() for name in settings.plugins.split(",") if name.strip())
        return cls(only, DisabledPlugins(settings.home).names())
