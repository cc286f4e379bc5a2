"""Which plugins a person wants: all that are installed, but for those that were disabled or left out."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

from evolvent.errors import UsageError
from evolvent.settings import Settings

__all__ = ["PluginChoice", "PluginsFile"]

FILE = "plugins.json"


class PluginsFile:
    """What a home remembers of plugins: which were disabled, and which were guards."""

    def __init__(self, home: Path) -> None:
        self._path = home.expanduser() / FILE

    def disabled(self) -> frozenset[str]:
        """Return the disabled names.

        Raises:
            UsageError: the file is damaged.
        """
        return self._read("disabled")

    def guards(self) -> frozenset[str]:
        """Return the plugins that were guards when they were last loaded.

        Raises:
            UsageError: the file is damaged.
        """
        return self._read("guards")

    def disable(self, name: str) -> None:
        """Keep a plugin from being loaded from now on; a guard that is disabled on purpose is none any more.

        Raises:
            UsageError: the file is damaged or cannot be written.
        """
        with self._alone():
            self._write(self.disabled() | {name}, self.guards() - {name})

    def enable(self, name: str) -> None:
        """Load a plugin again from now on.

        Raises:
            UsageError: the file is damaged or cannot be written.
        """
        with self._alone():
            self._write(self.disabled() - {name}, self.guards())

    def remember_guards(self, names: frozenset[str]) -> None:
        """Remember which plugins are guards.

        Raises:
            UsageError: the file is damaged or cannot be written.
        """
        if names != self.guards():
            with self._alone():
                self._write(self.disabled(), names)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others from changing the file between reading and writing it."""
        from filelock import FileLock

        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(self._path.with_suffix(".lock"), timeout=10)
            lock.acquire()
        except (OSError, TimeoutError) as error:
            raise UsageError(f"{str(self._path)!r} cannot be written: {error}") from None
        try:
            yield
        finally:
            lock.release()

    def _read(self, key: str) -> frozenset[str]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return frozenset()
        except OSError as error:
            raise UsageError(f"{str(self._path)!r} cannot be read: {error.strerror}") from None
        try:
            names = json.loads(text).get(key, [])
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise TypeError
        except (ValueError, AttributeError, TypeError):
            raise UsageError(
                f"{str(self._path)!r} is damaged: it must hold "
                '{"disabled": ["name", …], "guards": ["name", …]}. Mend it, or delete it to enable all plugins'
            ) from None
        return frozenset(names)

    def _write(self, disabled: frozenset[str], guards: frozenset[str]) -> None:
        draft = self._path.with_suffix(f".{uuid.uuid4().hex}")
        text = json.dumps({"disabled": sorted(disabled), "guards": sorted(guards)}, indent=2) + "\n"
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_text(text, encoding="utf-8")
            draft.replace(self._path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise UsageError(f"{str(self._path)!r} cannot be written: {error.strerror}") from None


class PluginChoice:
    """Says of each plugin whether it is wanted."""

    def __init__(
        self,
        only: frozenset[str] | None = None,
        disabled: frozenset[str] = frozenset(),
        guards: frozenset[str] = frozenset(),
    ) -> None:
        self.only = only
        self.disabled = disabled
        self.guards = guards
        """Plugins that were guards when they were last loaded."""

    @classmethod
    def of(cls, settings: Settings) -> PluginChoice:
        """Return the choice that the settings and the home make.

        Raises:
            UsageError: the file of disabled plugins is damaged.
        """
        only = None
        if settings.plugins is not None:
            only = frozenset(name.strip() for name in settings.plugins.split(",") if name.strip())
        file = PluginsFile(settings.home)
        return cls(only, file.disabled(), file.guards())
