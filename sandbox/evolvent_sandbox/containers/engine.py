"""What Evolvent asks of a Docker engine: each request bounded in time, each failure an error of ours."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evolvent.errors import MissingPrerequisite, SandboxLost

if TYPE_CHECKING:
    from docker import APIClient

__all__ = ["BUILD_COMMAND", "INSTALL_COMMAND", "Engine", "engine_address", "short"]

INSTALL_COMMAND = "apt-get install docker.io"
BUILD_COMMAND = "evolvent sandbox build"
DEFAULT_SOCKET = Path("/var/run/docker.sock")
PING_SECONDS = 5
REQUEST_SECONDS = 30
TRANSFER_SECONDS = 900
OLDEST_API = (1, 40)


def engine_address() -> str | None:
    """Return where an engine should answer: `DOCKER_HOST`, else the usual socket if it exists, else None."""
    if address := os.environ.get("DOCKER_HOST"):
        return address
    return f"unix://{DEFAULT_SOCKET}" if DEFAULT_SOCKET.exists() else None


class Engine:
    """A connection to an engine. Threads may share it."""

    def __init__(self, api: APIClient, address: str) -> None:
        self.api = api
        self.address = address

    @classmethod
    def connect(cls) -> Engine:
        """Connect to the engine of the environment (`DOCKER_HOST`, `DOCKER_TLS_VERIFY`, `DOCKER_CERT_PATH`).

        Raises:
            MissingPrerequisite: there is none, it does not answer, or it is too old.
        """
        address = engine_address()
        if address is None:
            raise MissingPrerequisite(
                f"the 'docker' sandbox needs a Docker engine; DOCKER_HOST is not set and there is no {DEFAULT_SOCKET}",
                INSTALL_COMMAND,
            )
        from docker import APIClient
        from docker.errors import DockerException
        from docker.utils import kwargs_from_env
        from requests.exceptions import RequestException

        try:
            settings: dict[str, Any] = {"base_url": address, **kwargs_from_env()}
            api = APIClient(**settings, timeout=PING_SECONDS, version="auto")
            version = tuple(int(part) for part in str(api.api_version).split("."))
            api.timeout = REQUEST_SECONDS
        except (DockerException, RequestException, OSError, ValueError) as error:
            raise MissingPrerequisite(
                f"no Docker engine answers at {address}: {short(error)}",
                "start it (systemctl start docker), or set DOCKER_HOST, or EVOLVENT_SANDBOX=bubblewrap",
            ) from None
        if version < OLDEST_API:
            api.close()
            raise MissingPrerequisite(
                f"the Docker engine at {address} speaks API {api.api_version}; 1.40 (Docker 19.03) or newer is needed",
                INSTALL_COMMAND,
            )
        return cls(api, address)

    @contextlib.contextmanager
    def asking(self, what: str) -> Iterator[APIClient]:
        """Yield the client; what fails in the block becomes an error that says what was asked.

        Raises:
            SandboxLost: the engine refused, took too long or is gone.
        """
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        try:
            yield self.api
        except (DockerException, RequestException, OSError) as error:
            raise SandboxLost(f"the Docker engine could not {what}: {short(error)}") from None

    @contextlib.contextmanager
    def transferring(self) -> Iterator[None]:
        """Give the requests of the block the time that moving an image takes."""
        self.api.timeout = TRANSFER_SECONDS
        try:
            yield
        finally:
            self.api.timeout = REQUEST_SECONDS

    def attach(self, container: str) -> socket.socket:
        """Return the raw connection to a container's stdin, stdout and stderr.

        Raises:
            SandboxLost: the engine refused, took too long or is gone.
        """
        with self.asking("attach to a container") as api:
            streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            stream = api.attach_socket(container, params=streams)
            connection: socket.socket = getattr(stream, "_sock", stream)
            return connection

    def facts(self) -> dict[str, Any]:
        """Return what the engine says of itself.

        Raises:
            SandboxLost: the engine refused, took too long or is gone.
        """
        with self.asking("describe itself") as api:
            return dict(api.info())

    def close(self) -> None:
        """Close the connections."""
        self.api.close()


def short(error: BaseException) -> str:
    """Return what the engine said of an error, in one line."""
    explanation = getattr(error, "explanation", None)
    return " ".join(str(explanation or error).split())[:300] or type(error).__name__
