"""The daemon's HTTP API."""

from evolvent.daemon.api.app import ApiServer, make_app, openapi_document
from evolvent.daemon.api.listening import check_listen

__all__ = ["ApiServer", "check_listen", "make_app", "openapi_document"]
