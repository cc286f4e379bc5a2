"""The plugins that the daemon has loaded, or why not."""

from __future__ import annotations

from fastapi import APIRouter

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.security import READ
from evolvent.daemon.api.threads import blocking
from evolvent.errors import UnknownName
from evolvent.types import PluginInfo

__all__ = ["known_plugins", "router"]

router = APIRouter(prefix="/plugins", tags=["plugins"], dependencies=[READ])


@router.get("")
@blocking
def list_plugins(here: Here) -> list[PluginInfo]:
    """List the plugins, by name."""
    return known_plugins(here)


@router.get("/{name}")
@blocking
def get_plugin(here: Here, name: str) -> PluginInfo:
    """Return what is known of a plugin."""
    infos = here.daemon.runtime.plugins.infos
    if name not in infos:
        raise UnknownName("plugin", name, infos, "See `evolvent plugins list`.")
    return infos[name]


def known_plugins(here: Here) -> list[PluginInfo]:
    """Return what is known of each plugin, by name."""
    return [info for _, info in sorted(here.daemon.runtime.plugins.infos.items())]
