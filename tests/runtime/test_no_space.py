"""A full disk: a clear message, and nothing that was finished is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from evolvent import Runtime
from evolvent.errors import MissingPrerequisite

Open = Callable[..., Runtime]


@pytest.mark.parametrize("database", ["evolvent", "checkpoints"])
def test_a_full_disk_is_said_and_survived(open_runtime: Open, database: str) -> None:
    """SQLite's own page limit stands in for the disk's end: it fails with the same code, SQLITE_FULL."""
    runtime = open_runtime({"": "42"})
    first = runtime.solve("What is 6*7?")

    def limit(connection: Any, pages: int) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    engine, checkpoints = runtime.services.engine, runtime.checkpoints.conn
    room = {"pages": 1}

    def on_checkout(connection: Any, *_: Any) -> None:
        limit(connection, room["pages"])

    if database == "evolvent":
        event.listen(engine, "checkout", on_checkout)
    else:
        limit(checkpoints, 1)
    number = 0

    def until_full() -> None:
        nonlocal number
        for number in range(100):
            runtime.solve(f"What is {number}*7?", run_id=f"r-{number}")

    with pytest.raises(MissingPrerequisite, match="no space left under the home") as caught:
        until_full()
    assert "the same command again" in caught.value.command
    room["pages"] = 1_000_000
    limit(checkpoints, 1_000_000)
    assert runtime.solve(f"What is {number}*7?", run_id=f"r-{number}").status == "answered"
    assert runtime.runs.get(first.run_id).status == "answered"
