"""How the daemon is: what it needs, what it runs on, and its plugins."""

from __future__ import annotations

import platform
import shutil
import sqlite3
from collections import Counter
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.plugins import known_plugins
from evolvent.daemon.api.threads import blocking
from evolvent.daemon.dashboard.rendering import show
from evolvent.daemon.dashboard.session import Looks
from evolvent.storage.database import SCHEMA

__all__ = ["router"]

router = APIRouter(prefix="/health")


@router.get("", response_class=HTMLResponse)
@blocking
def health(request: Request, here: Here, viewer: Looks) -> HTMLResponse:
    """Show how the daemon is."""
    daemon, settings = here.daemon, here.settings
    disk = shutil.disk_usage(daemon.runtime.home.path)
    status = daemon.status()
    return show(
        request,
        viewer,
        "health.html",
        status=status,
        ready=status.state != "draining",
        free_mb=disk.free / 1e6,
        total_mb=disk.total / 1e6,
        least_mb=settings.daemon_free_mb,
        database_mb=sum(path.stat().st_size for path in _database(here)) / 1e6,
        listening=here.streams.count,
        outcomes=_outcomes(here),
        plugins=known_plugins(here),
        versions={
            "Python": platform.python_version(),
            "SQLite": sqlite3.sqlite_version,
            "Schema of the database": SCHEMA,
            "System": f"{platform.system()} {platform.release()}, {platform.machine()}",
        },
    )


def _outcomes(here: Here) -> dict[str, int]:
    """Return how often what ran in the sandbox ended how, the most frequent first."""
    found: Counter[str] = Counter()
    for (_, outcome, limit), count in here.daemon.runtime.sandbox_outcomes.counts().items():
        found[f"ended by {limit}" if limit else outcome.replace("_", " ")] += count
    return dict(found.most_common())


def _database(here: Here) -> list[Path]:
    """Return the database's files: itself, and what SQLite has not yet put into it."""
    path = here.daemon.runtime.home.database
    return [found for end in ("", "-wal") if (found := path.with_name(f"{path.name}{end}")).exists()]
