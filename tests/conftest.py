"""What holds for every test: a home of its own, and no remote model."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from evolvent import Runtime
from evolvent.settings import Settings
from evolvent.testing import ScriptedModel
from evolvent_plugins.embeddings import register_embedders

Open = Callable[..., Runtime]


def pytest_configure() -> None:
    """Let the tests' processes hear Ctrl-C, also where a shell began the tests in the background and so deaf to it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put `EVOLVENT_HOME` into the test's own folder and forget the user's settings."""
    home = tmp_path / "home"
    for name in ("MODEL", "BASE_URL", "ALLOW_UNSAFE", "EMBEDDER", "LOCK_WAIT"):
        monkeypatch.delenv(f"EVOLVENT_{name}", raising=False)
    monkeypatch.setenv("EVOLVENT_HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("EVOLVENT_SANDBOX", "bubblewrap")  # whatever engine this machine has
    for key in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(key, raising=False)
    return home


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections of this process to anything but this machine: no test calls a remote model."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else None
        if host is not None and host not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to connect to {host!r}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True, scope="session")
def kept_embedder() -> Iterator[object]:
    """Keep the embedder over all tests: each would load the model anew, since the last user frees it."""
    made: list[Any] = []
    register_embedders(lambda _name, factory: made.append(factory(Settings())))
    yield made
    made.clear()


@pytest.fixture
def open_runtime(own_home: Path) -> Iterator[Open]:
    """Open runtimes on the test's home; each is closed before the next one opens, and at the end."""
    with ExitStack() as stack:

        def open_(script: Any = None, **settings: Any) -> Runtime:
            stack.close()
            model = ScriptedModel(script={"": "unscripted"} if script is None else script)
            return stack.enter_context(Runtime.open(chat_model=model, **settings))

        yield open_
