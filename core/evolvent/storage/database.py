"""Opening `evolvent.db`: SQLite in WAL mode, brought to the newest schema by Alembic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError

from evolvent.errors import IntegrityError

__all__ = ["SCHEMA", "open_database"]

SCHEMA = "0009"
"""The newest migration; a test compares it with the files of `migrations/versions`."""


def open_database(path: Path) -> Engine:
    """Open or create the database.

    Raises:
        IntegrityError: the file is not a database, or a newer Evolvent wrote it.
    """
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30, "check_same_thread": False})
    event.listen(engine, "connect", _configure)
    try:
        version = _version(engine)
        if version != SCHEMA:
            _migrate(engine, version)
    except DatabaseError as error:
        engine.dispose()
        raise IntegrityError(
            f"{path.name} in {str(path.parent)!r} cannot be read as a database ({error.orig}). Move it aside to start "
            "a new one: skills are kept in their own folders and are not lost."
        ) from error
    return engine


def _configure(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def _version(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
        return str(row[0]) if row else None


def _migrate(engine: Engine, version: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise IntegrityError(
                f"the database has schema {version!r}, this version of Evolvent knows up to {SCHEMA!r}; "
                "upgrade Evolvent, or use another EVOLVENT_HOME"
            ) from error
