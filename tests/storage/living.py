"""A home that tests of backups write to, and what is in one."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import text

from evolvent.storage import GenomeStore, Home, JobQueue, Ledger, open_database
from evolvent.storage.backups.manifest import LEFT_OUT
from evolvent.types import JobRequest


class Living:
    """A home to which jobs, programs and folders are written."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.home = Home(path)
        self.home.create()
        engine = open_database(self.home.database)
        stack.callback(engine.dispose)
        self.engine = engine
        self.queue = JobQueue(engine, Ledger(engine))
        self.genomes = GenomeStore(self.home.genomes, durable=False)

    def submit(self, number: int) -> str:
        return self.queue.submit(JobRequest(payload={"prompt": f"q{number}"}))[0].id


def tree(folder: Path) -> dict[str, bytes]:
    """All files of a home that a backup holds, but the databases."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.relative_to(folder).parts[0] not in LEFT_OUT
        and not path.name.endswith((".db", ".lock"))
    }


def rows(home: Home) -> list[Any]:
    engine = open_database(home.database)
    with engine.connect() as connection:
        found = list(connection.execute(text("SELECT id, state, payload, tries FROM jobs ORDER BY number")))
    engine.dispose()
    return found
