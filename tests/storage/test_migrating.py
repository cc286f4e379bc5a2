"""Migrations: a copy first, all or nothing; and what a damaged database is answered with."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from evolvent.errors import IntegrityError
from evolvent.storage import Home, database, migrations, open_database
from evolvent.storage.backups import back_up
from evolvent.storage.database import COPIES, SCHEMA

SCRIPTS = Path(next(iter(migrations.__path__)))


def older(path: Path, revision: str) -> None:
    """Make a database of an earlier schema, with a row in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.exec_driver_sql(
            "INSERT INTO events (key, run_id, kind, at, data) VALUES ('k', 'r', 'plugin.failed', '', '{}')"
        )
    engine.dispose()


def read(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def copies(home: Path) -> list[Path]:
    return sorted((home / "backups").glob("before-migration-*.db"))


def test_an_older_database_is_copied_before_it_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "evolvent.db"
    older(path, "0005")
    open_database(path).dispose()
    (copy,) = copies(tmp_path)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert "0005" in copy.name
    assert read(copy, "SELECT version_num FROM alembic_version") == [("0005",)]
    assert read(path, "SELECT version_num FROM alembic_version") == [(SCHEMA,)]
    assert read(copy, "SELECT key FROM events") == read(path, "SELECT key FROM events") == [("k",)]
    open_database(path).dispose()
    assert copies(tmp_path) == [copy], "nothing is copied where nothing is migrated"


def test_a_new_database_needs_no_copy(tmp_path: Path) -> None:
    open_database(tmp_path / "evolvent.db").dispose()
    assert not (tmp_path / "backups").exists()


def test_the_newest_copies_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "evolvent.db"
    seen = []
    for _ in range(COPIES + 2):
        path.unlink(missing_ok=True)
        older(path, "0006")
        open_database(path).dispose()
        seen.append(copies(tmp_path)[-1])
    assert copies(tmp_path) == seen[-COPIES:]


def test_a_failed_migration_leaves_the_old_database_and_names_the_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last of the migrations to be made fails after it has changed the schema."""
    scripts = tmp_path / "migrations"
    shutil.copytree(SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    newest = max((scripts / "versions").glob("0*.py"))
    newest.write_text(
        newest.read_text() + "\n\n_real = upgrade\n\ndef upgrade():\n    _real()\n    raise OSError('boom')\n"
    )
    monkeypatch.setattr(database, "MIGRATIONS", scripts)
    path = tmp_path / "home" / "evolvent.db"
    older(path, "0005")
    schema = read(path, "SELECT sql FROM sqlite_master ORDER BY name")
    with pytest.raises(IntegrityError, match="'0005'.*boom.*is as it was.*before-migration-") as failed:
        open_database(path)
    (copy,) = copies(path.parent)
    assert str(copy) in str(failed.value)
    assert read(path, "SELECT sql FROM sqlite_master ORDER BY name") == schema
    assert read(path, "SELECT version_num FROM alembic_version") == [("0005",)]
    monkeypatch.undo()
    open_database(path).dispose()
    assert read(path, "SELECT version_num FROM alembic_version") == [(SCHEMA,)]


def test_a_damaged_database_is_answered_with_the_newest_backup(tmp_path: Path) -> None:
    home = Home(tmp_path / "my home")
    home.create()
    open_database(home.database).dispose()
    home.database.rename(tmp_path / "aside")
    home.database.write_bytes(b"no database" * 1000)
    with pytest.raises(IntegrityError, match="There is no backup.*evolvent restore --replace FILE"):
        open_database(home.database)
    (tmp_path / "aside").replace(home.database)
    back_up(home)
    newest = back_up(home)
    home.database.write_bytes(b"no database" * 1000)
    with pytest.raises(IntegrityError) as refused:
        open_database(home.database)
    assert f"evolvent restore --replace '{newest}'" in str(refused.value)
