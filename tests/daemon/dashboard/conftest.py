"""The dashboard is served with the API."""

from tests.daemon.api.conftest import serve, served

__all__ = ["serve", "served"]
