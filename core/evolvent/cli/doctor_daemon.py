"""What `evolvent doctor` says of the daemon: whether it runs and answers, its lock, port, backups, disk and secrets."""

from __future__ import annotations

import errno
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from evolvent.cli.findings import Finding

if TYPE_CHECKING:
    from evolvent.settings import Settings
    from evolvent.storage import Home

__all__ = ["look_at_daemon"]

SECRETS = ("daemon.token", "daemon.env", "signing.key")
OLD = 2.0
"""Backups that are so many intervals old are worth a word."""


def look_at_daemon(settings: Settings) -> list[Finding]:
    """Look at the daemon of a home; one that does not run is no fault."""
    from evolvent.storage import Home
    from evolvent.storage.place import find

    home = Home(settings.home)
    place = find(home)
    found = list(_running(home) if place is not None else _stopped(home, settings))
    return [*found, *_backups(home, settings, place is not None), *_room(home, settings), *_secrets(home)]


def _running(home: Home) -> Iterator[Finding]:
    from evolvent.client import Client
    from evolvent.errors import EvolventError
    from evolvent.storage.place import find

    place = find(home)
    if place is None:  # it ended just now
        return
    try:
        with Client(place.url, home.token.read_text().strip(), timeout=10.0) as client:
            status = client.status()
    except (EvolventError, OSError) as error:
        yield Finding(
            "daemon",
            "missing",
            f"process {place.pid} at {place.url} does not answer: {error}",
            "evolvent daemon logs",
        )
        return
    why = f" ({status.why_paused})" if status.why_paused else ""
    state = "note" if status.why_paused else "ok"
    yield Finding("daemon", state, f"{status.state}{why}; process {place.pid} at {place.url}")
    if status.model != "up":
        yield Finding("daemon model", "note", f"{status.model}: {status.last_error}", "evolvent daemon logs")


def _stopped(home: Home, settings: Settings) -> Iterator[Finding]:
    if home.held():
        yield Finding("daemon", "note", f"none runs; the home is held by {home.holder()}")
    else:
        yield Finding("daemon", "ok", "none runs", "evolvent daemon start")
    host, port = settings.daemon_host, settings.daemon_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            why = "is taken by another process" if taken else f"cannot be had: {error.strerror or error}"
            mend = "export EVOLVENT_DAEMON_PORT=<another, or 0 for any>"
            yield Finding("daemon port", "note", f"{port} of {host} {why}", mend)


def _backups(home: Home, settings: Settings, runs: bool) -> Iterator[Finding]:
    from evolvent.storage.database_copy import newest_backup

    if not home.database.exists():
        return
    newest = newest_backup(home.path)
    if newest is None:
        yield Finding("backup", "note", f"there is none in {home.path / 'backups'}", "evolvent backup")
        return
    hours = (time.time() - newest.stat().st_mtime) / 3600
    limit = OLD * (settings.daemon_backup_hours or 24.0)
    late = runs and hours > limit
    yield Finding(
        "backup",
        "note" if late else "ok",
        f"{newest.name}, {hours:.0f} hours old",
        "evolvent backup" if late else "",
    )


def _room(home: Home, settings: Settings) -> Iterator[Finding]:
    if not home.path.exists():
        return
    free = shutil.disk_usage(home.path).free / 1e6
    if free < settings.daemon_free_mb:
        detail = f"{free:.0f} MB are free; a daemon begins no job below {settings.daemon_free_mb}"
        yield Finding("daemon disk", "note", detail, f"free some space under {home.path}")


def _secrets(home: Home) -> Iterator[Finding]:
    for name in SECRETS:
        path = home.path / name
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & 0o077:
            detail = f"others than its owner may use it (mode {mode:o})"
            yield Finding(name, "missing", detail, f"chmod 600 {path}")
