"""The sandbox in containers of a Docker engine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from evolvent.hookspecs import hookimpl
from evolvent.protocols import Sandbox, SandboxFactory
from evolvent.settings import Settings

__all__ = ["register_sandboxes"]


class _Docker:
    """Opens the sandbox, and builds the image that it runs."""

    def __call__(self, settings: Settings) -> Sandbox:
        from evolvent_sandbox.containers.backend import DockerSandbox

        return DockerSandbox()

    def build(
        self, settings: Settings, source: str, mirror: str | None, say: Callable[[str], object]
    ) -> dict[str, str]:
        """Build the image and try it; see `evolvent.protocols.SandboxBuilder`."""
        from evolvent_sandbox.containers.engine import Engine
        from evolvent_sandbox.containers.image import build_image

        with contextlib.closing(Engine.connect()) as engine:
            built = build_image(engine, source, mirror, say)
        return {
            "image": built.tag,
            "from": built.source,
            "python": built.python,
            "size": f"{built.size / 1e6:.0f} MB",
        }


@hookimpl
def register_sandboxes(register: Callable[[str, SandboxFactory], None]) -> None:
    """Register `docker`."""
    register("docker", _Docker())
