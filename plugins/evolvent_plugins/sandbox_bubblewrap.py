"""The embedded default sandbox."""

from __future__ import annotations

from collections.abc import Callable

from evolvent.hookspecs import hookimpl
from evolvent.protocols import Sandbox, SandboxFactory
from evolvent.settings import Settings

__all__ = ["register_sandboxes"]


def _open(settings: Settings) -> Sandbox:
    from evolvent_sandbox.bubblewrap import BubblewrapSandbox

    return BubblewrapSandbox()


@hookimpl
def register_sandboxes(register: Callable[[str, SandboxFactory], None]) -> None:
    """Register `bubblewrap`."""
    register("bubblewrap", _open)
