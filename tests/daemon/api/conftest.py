"""A daemon that is served on a free port of this machine, over a real runtime with a scripted model."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from tests.daemon.api.serving import Serve, Served

from evolvent import Runtime, Settings
from evolvent.daemon import Daemon
from evolvent.daemon.api import ApiServer, make_app
from evolvent.plugins import PluginHost
from evolvent.storage import Tokens
from evolvent.testing import ScriptedModel


@pytest.fixture
def serve(own_home: Any) -> Iterator[Serve]:
    """Serve a daemon; the one before is stopped first."""
    with ExitStack() as stack:

        def start(
            script: Any = None,
            *,
            work: bool = True,
            port: int = 0,
            agent: str | None = None,
            plugins: Sequence[Any] = (),
            **settings: Any,
        ) -> Served:
            stack.close()
            chosen = Settings(**{"daemon_port": port, **settings})
            host = PluginHost(settings=chosen)
            for number, plugin in enumerate(plugins):
                host.add(plugin, f"test-{number}")
            model = ScriptedModel(script={"": "42"} if script is None else script)
            runtime = stack.enter_context(Runtime(chosen, plugins=host, model=model))
            if agent is not None:
                runtime.services.genome = {**runtime.services.genome, "task_agent.py": agent}
            daemon = Daemon(runtime, background=False)
            if work:
                daemon.start()
            app = make_app(daemon, chosen)
            server = ApiServer(app, chosen)
            thread = threading.Thread(target=server.run, name="api", daemon=True)
            served = Served(daemon, server, app, Tokens(runtime.services.engine), thread)
            thread.start()
            stack.callback(served.stop)
            until = time.monotonic() + 20
            while not server.started:
                assert thread.is_alive()
                assert time.monotonic() < until
                time.sleep(0.01)
            return served

        yield start


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve()
