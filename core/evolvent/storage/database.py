"""Opening `evolvent.db`: SQLite in WAL mode, brought to the newest schema by Alembic."""

from __future__ import annotations

import shlex
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError

from evolvent.errors import IntegrityError, error_text
from evolvent.storage.database_copy import (
    BACKUPS,
    connect,
    copy_database,
    keep_newest,
    newest_backup,
    stamp,
)
from evolvent.storage.turns import take_turns, turn_taking

__all__ = ["COPIES", "SCHEMA", "open_database"]

SCHEMA = "0012"
"""The newest migration; a test compares it with the files of `migrations/versions`."""

COPIES = 5
"""Copies from before migrations that are kept."""
BEFORE = "before-migration-"
MIGRATIONS = Path(__file__).parent / "migrations"


def open_database(path: Path, *, keep_copy: bool = True) -> Engine:
    """Open or create the database. Before an older one is migrated it is copied into the folder `backups` beside it.

    Args:
        path: of the file.
        keep_copy: whether a copy is made; not where the file is itself one.

    Raises:
        IntegrityError: the file is not a database, a newer Evolvent wrote it, or it cannot be migrated.
    """
    arguments = {"timeout": 30, "check_same_thread": False, "factory": turn_taking(path)}
    engine = create_engine(f"sqlite:///{path}", connect_args=arguments)
    event.listen(engine, "connect", _configure)
    take_turns(engine)
    try:
        version = _version(engine)
        if version != SCHEMA:
            _migrate(engine, version, path if keep_copy else None)
    except IntegrityError:
        engine.dispose()
        raise
    except DatabaseError as error:
        engine.dispose()
        raise IntegrityError(
            f"{path.name} in {str(path.parent)!r} cannot be read as a database ({error.orig}). {_way_back(path.parent)}"
        ) from error
    return engine


def _way_back(home: Path) -> str:
    """Say what to do about a damaged database."""
    backup = newest_backup(home)
    if backup is None:
        return (
            "There is no backup in its folder 'backups'; with one from elsewhere: evolvent restore --replace FILE. "
            "Without one, move the database aside to start a new one: skills are kept in their own folders and are not "
            "lost."
        )
    return (
        f"Go back to the newest backup with: evolvent restore --replace {shlex.quote(str(backup))} (what is there now "
        "is moved beside the home, not deleted)."
    )


def _configure(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def _version(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
        return str(row[0]) if row else None


def _migrate(engine: Engine, version: str | None, path: Path | None) -> None:
    """Bring the schema up to date in one transaction; SQLite takes changes of the schema back like any others.

    Args:
        engine: of the database.
        version: its schema; None: it is new.
        path: its file, to be copied first; None: no copy is needed.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    copy = None if version is None or path is None or version > SCHEMA else _keep(path, version)
    try:
        with engine.connect() as connection:
            # pysqlite begins no transaction for CREATE and ALTER, so that a failure would leave half a schema.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    except CommandError as error:
        raise IntegrityError(
            f"the database has schema {version!r}, this version of Evolvent knows up to {SCHEMA!r}; "
            "upgrade Evolvent, or use another EVOLVENT_HOME"
        ) from error
    except Exception as error:
        if version is None:
            raise
        kept = f" A copy of it is {str(copy)!r}." if copy else ""
        raise IntegrityError(
            f"the database could not be brought from schema {version!r} to {SCHEMA!r} ({error_text(error, 500)}); it "
            f"is as it was, and the version of Evolvent that wrote it can go on with it.{kept}"
        ) from error


def _keep(path: Path, version: str) -> Path:
    """Copy a database before it is migrated; the newest few copies are kept."""
    folder = path.parent / BACKUPS
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        copy = folder / f"{BEFORE}{stamp()}-{path.stem}-{version}.db"
        with closing(connect(path)) as source:
            copy_database(source, copy)
    except OSError as error:
        raise IntegrityError(
            f"the database of schema {version!r} is not migrated, because no copy of it can be kept in "
            f"{str(folder)!r}: {error.strerror}; make room or permission there"
        ) from error
    keep_newest(folder.glob(f"{BEFORE}*.db"), COPIES)
    return copy
