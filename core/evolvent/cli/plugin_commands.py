"""Commands that plugins bring, beside ours.

Loading plugins takes longer than all of `evolvent --help` may. So their names and first lines are kept in the user's
cache, as long as the same plugins are installed; plugins are only loaded when one of their commands is run.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from evolvent.plugins import PluginHost

__all__ = ["PluginCommands"]

FILE = "commands.json"


class PluginCommands(TyperGroup):
    """The command group of `evolvent`: ours first; a plugin cannot take the name of one of ours."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return our commands, then those of plugins."""
        own = super().list_commands(ctx)
        return [*own, *sorted(name for name in self._summaries if name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; for one of a plugin only what a list shows of it."""
        known = super().get_command(ctx, cmd_name)
        if known is None and cmd_name in self._summaries:
            return TyperCommand(cmd_name, help=self._summaries[cmd_name])
        return known

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command to run; loads plugins when it is not ours."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            from evolvent.cli.output import friendly_errors
            from evolvent.errors import UnknownName

            with friendly_errors():
                host = _host()
                _keep(host)
                if args[0] not in host.commands.items:
                    known = [*self.commands, *host.commands.names()]
                    raise UnknownName("command", args[0], known, host.commands.hint())
            return args[0], _command(args[0], host.commands.items[args[0]]), args[1:]
        return super().resolve_command(ctx, args)

    @cached_property
    def _summaries(self) -> dict[str, str]:
        """Command of a plugin to the first line of its help."""
        try:
            kept = json.loads(_cache().read_text(encoding="utf-8"))
            if kept["plugins"] == _fingerprint():
                return {str(name): str(line) for name, line in kept["commands"].items()}
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            pass  # nothing kept, or of other plugins: look
        try:
            return _keep(_host())
        except Exception:  # whatever is wrong, help is shown; running a command says what it is
            return {}


def _host() -> PluginHost:
    from evolvent.plugins import PluginHost

    return PluginHost()


def _keep(host: PluginHost) -> dict[str, str]:
    """Keep the summaries of a host's commands, and return them."""
    summaries = {name: _summary(item) for name, item in host.commands.items.items()}
    file = _cache()
    draft = file.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps({"plugins": _fingerprint(), "commands": summaries}), encoding="utf-8")
        draft.replace(file)
    return summaries


def _fingerprint() -> str:
    """Return a digest of what decides which commands there are."""
    entries = sorted(
        f"{e.name}={e.value} {e.dist.name if e.dist else ''} {e.dist.version if e.dist else ''}"
        for e in entry_points(group="evolvent")
    )
    choice = os.environ.get("EVOLVENT_PLUGINS", "")
    with contextlib.suppress(OSError):
        choice += (_home() / "plugins.json").read_text(encoding="utf-8")
    return hashlib.sha256("\n".join([*entries, choice]).encode()).hexdigest()


def _cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("evolvent")) / FILE


def _home() -> Path:
    """Return the home without importing the settings, which takes longer than everything else here."""
    given = os.environ.get("EVOLVENT_HOME")
    if given:
        return Path(given).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("evolvent"))


def _command(name: str, item: Any) -> Any:
    """Return what a plugin registered as a command of typer."""
    item = _imported(item)
    if isinstance(item, typer.Typer):
        command = typer.main.get_command(item)
    else:
        own = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        own.command(name)(item)
        command = typer.main.get_command(own)
    command.name = name
    return command


def _imported(item: Any) -> Any:
    if not isinstance(item, str):
        return item
    module, _, attribute = item.partition(":")
    return getattr(import_module(module), attribute)


def _summary(item: Any) -> str:
    item = _imported(item)
    text = item.info.help if isinstance(item, typer.Typer) else inspect.getdoc(item)
    return next(iter(str(text or "").strip().splitlines()), "")
