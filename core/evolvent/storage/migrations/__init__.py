"""Alembic migrations of `evolvent.db`."""
