"""The sandbox that isolates nothing; refuses unless the settings allow it."""

from __future__ import annotations

from collections.abc import Callable

from evolvent.hookspecs import hookimpl
from evolvent.protocols import Sandbox, SandboxFactory
from evolvent.settings import Settings

__all__ = ["register_sandboxes"]


def _open(settings: Settings) -> Sandbox:
    from evolvent_sandbox.subprocess_backend import SubprocessSandbox

    return SubprocessSandbox(allow_unsafe=settings.allow_unsafe)


@hookimpl
def register_sandboxes(register: Callable[[str, SandboxFactory], None]) -> None:
    """Register `subprocess`."""
    register("subprocess", _open)
