"""What the doctor says of the daemon."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from tests.daemon.api.conftest import serve  # noqa: F401 - a fixture
from tests.daemon.api.serving import Serve

from evolvent.cli.doctor_daemon import look_at_daemon
from evolvent.settings import Settings
from evolvent.storage import Home, local_token, open_database
from evolvent.storage.backups import back_up
from evolvent.storage.place import Place


def said(**settings: object) -> dict[str, tuple[str, str, str]]:
    found = look_at_daemon(Settings(**settings))  # type: ignore[arg-type]
    return {one.what: (one.state, one.detail, one.mend) for one in found}


def test_a_home_that_is_not_there_yet(own_home: Path) -> None:
    assert said(daemon_port=0) == {"daemon": ("ok", "none runs", "evolvent daemon start")}
    assert not own_home.exists()


def test_a_home_without_a_daemon(own_home: Path) -> None:
    home = Home(own_home)
    home.create()
    open_database(home.database).dispose()
    assert said(daemon_port=0)["backup"][::2] == ("note", "evolvent backup")
    back_up(home)
    assert said(daemon_port=0)["backup"][0] == "ok"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        state, detail, mend = said(daemon_port=port)["daemon port"]
    assert state == "note"
    assert f"{port} of 127.0.0.1 is taken" in detail
    assert "EVOLVENT_DAEMON_PORT" in mend
    home.acquire(0)
    try:
        assert f"held by process {os.getpid()}" in said(daemon_port=0)["daemon"][1]
    finally:
        home.release()
    assert "a daemon begins no job below" in said(daemon_port=0, daemon_free_mb=10**12)["daemon disk"][1]


@pytest.mark.parametrize("name", ["daemon.token", "daemon.env", "signing.key"])
def test_secrets_that_others_may_read(name: str, own_home: Path) -> None:
    own_home.mkdir()
    (own_home / name).write_text("secret")
    (own_home / name).chmod(0o644)
    assert said(daemon_port=0)[name] == (
        "missing",
        "others than its owner may use it (mode 644)",
        f"chmod 600 {own_home / name}",
    )
    (own_home / name).chmod(0o600)
    assert name not in said(daemon_port=0)


def test_a_daemon_that_runs_and_one_that_does_not_answer(
    serve: Serve,  # noqa: F811
    own_home: Path,
) -> None:
    served = serve()
    home = served.runtime.home
    local_token(home.token, served.tokens)
    Place(pid=os.getpid(), url=served.url, started_at="").save(home)
    state, detail, _ = said()["daemon"]
    assert (state, detail) == ("ok", f"running; process {os.getpid()} at {served.url}")
    served.daemon.pause("lunch")
    assert said()["daemon"][:2] == ("note", f"paused (lunch); process {os.getpid()} at {served.url}")
    served.daemon._workers.breaker.failed()
    assert said()["daemon model"][0] == "note"
    Place(pid=os.getpid(), url="http://127.0.0.1:9", started_at="").save(home)
    state, detail, mend = said()["daemon"]
    assert state == "missing"
    assert "does not answer" in detail
    assert mend == "evolvent daemon logs"
