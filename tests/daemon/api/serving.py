"""What the tests of the API talk to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx

from evolvent import Runtime
from evolvent.daemon import Daemon
from evolvent.daemon.api import ApiServer
from evolvent.storage import Tokens
from evolvent.types import Job, Scope


@dataclass
class Served:
    """A daemon and how to talk to it."""

    daemon: Daemon
    server: ApiServer
    app: Any
    tokens: Tokens
    thread: threading.Thread
    clients: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    @property
    def runtime(self) -> Runtime:
        return self.daemon.runtime

    def token(self, scope: str = "admin", seconds: float | None = None) -> str:
        return self.tokens.create("test", [Scope(scope)], seconds)[0]

    def client(self, scope: str | None = "admin", **headers: str) -> httpx.Client:
        if scope is not None:
            headers = {"Authorization": f"Bearer {self.token(scope)}", **headers}
        return self.clients.enter_context(
            httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=30)
        )

    def ended(self, job_id: str, seconds: float = 30.0) -> Job:
        until = time.monotonic() + seconds
        while not (job := self.daemon.queue.get(job_id)).state.ended:
            assert time.monotonic() < until, job
            time.sleep(0.02)
        return job

    def stop(self) -> None:
        self.clients.close()
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()
        assert self.daemon.drain(20)


Serve = Callable[..., Served]
