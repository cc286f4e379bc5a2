"""The application: routes, doors and what they share."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI

from evolvent import __version__
from evolvent.daemon.api import (
    approvals,
    archive,
    events,
    jobs,
    login_codes,
    memory,
    plugins,
    runs,
    skills,
    status,
)
from evolvent.daemon.api.callers import Callers
from evolvent.daemon.api.context import Context
from evolvent.daemon.api.current_archive import CurrentArchive
from evolvent.daemon.api.doors import Doors
from evolvent.daemon.api.feed import Feed
from evolvent.daemon.api.history import History
from evolvent.daemon.api.limits import Rates
from evolvent.daemon.api.memo import Memo
from evolvent.daemon.api.problems import ProblemBody, handle_problems
from evolvent.daemon.api.streams import Streams
from evolvent.daemon.login_codes import LoginCodes
from evolvent.daemon.service import Daemon
from evolvent.library.called_by import CalledBy
from evolvent.settings import Settings
from evolvent.storage import Sessions, Tokens

__all__ = ["PREFIX", "ApiServer", "make_app", "openapi_document"]

PREFIX = "/api/v1"

SILENCE = 60.0
"""Seconds after which a connection is given up whose other end takes nothing: a machine that lost power says no word,
and the system would wait a quarter of an hour for it."""

_PROBLEM: dict[str, Any] = {
    "description": "A problem (RFC 9457)",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemBody"}}},
}


def make_app(daemon: Daemon, settings: Settings) -> FastAPI:
    """Return the HTTP API and the dashboard of a daemon, as an ASGI application."""
    # Its pages stand on the rooms beside this module: imported at the top it would import itself.
    from evolvent.daemon.dashboard import answer_problem, dashboard_router

    feed, engine = Feed(daemon.runtime.ledger), daemon.runtime.services.engine
    tokens = Tokens(engine)
    sessions = Sessions(engine, tokens)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with feed.running():
            yield

    app = _routes(lifespan)
    app.include_router(dashboard_router())
    app.state.context = Context(
        daemon,
        settings,
        tokens,
        Callers(tokens.check),
        Rates(settings.daemon_rate),
        feed,
        Streams(),
        CurrentArchive(daemon.runtime),
        sessions,
        Callers(sessions.check),
        Memo(),
        LoginCodes(tokens),
        History(engine),
        CalledBy(daemon.runtime.skills),
    )
    handle_problems(app, answer_problem)
    app.add_middleware(Doors, settings=settings)
    return app


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document; it needs no daemon."""
    return _routes(None).openapi()


def _routes(lifespan: Any) -> FastAPI:
    app = FastAPI(
        title="Evolvent",
        version=__version__,
        summary="An agent runtime that writes, verifies and keeps its own skills.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # both pages fetch scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        responses={"default": _PROBLEM, 422: _PROBLEM},
        generate_unique_id_function=lambda route: route.name,
    )
    api = APIRouter(prefix=PREFIX)
    for room in (status, jobs, runs, events, skills, memory, archive, approvals, plugins, login_codes):
        api.include_router(room.router)
    app.include_router(api)
    _describe(app)
    return app


class ApiServer(uvicorn.Server):
    """Serves an application; open streams end when it is told to stop, so that it can.

    Args:
        app: of `make_app`.
        settings: where to listen.
    """

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.daemon_host,
                port=settings.daemon_port,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                timeout_keep_alive=15,
                timeout_graceful_shutdown=10,
            )
        )
        self._feed: Feed = app.state.context.feed

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen; connections inherit how long they wait for an end that says nothing."""
        await super().startup(sockets)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            for listener in (listener for server in self.servers for listener in server.sockets):
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * SILENCE))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then what a server ends."""
        self._feed.close()
        await super().shutdown(sockets)

    @property
    def port(self) -> int:
        """The port that it listens on, once `started`; another than the settings' where that is 0."""
        return int(self.servers[0].sockets[0].getsockname()[1])


def _describe(app: FastAPI) -> None:
    """Let the OpenAPI document name the shape of problems, which no route returns by itself."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        document = plain()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if "ProblemBody" not in schemas:
            shape = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= shape.pop("$defs", {})
            schemas["ProblemBody"] = shape
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        return document

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
