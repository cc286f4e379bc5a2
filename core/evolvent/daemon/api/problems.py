"""Every error as `application/problem+json` (RFC 9457), and none with more than its reader may know."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from evolvent.errors import (
    EvolventError,
    HomeBusy,
    IntegrityError,
    MissingPrerequisite,
    UnknownName,
    UsageError,
)
from evolvent.types import JsonValue

__all__ = ["Fault", "Problem", "ProblemBody", "handle_problems", "problem_response"]

_log = logging.getLogger(__name__)


class Fault(BaseModel):
    """What is wrong with one part of a request."""

    where: str
    """Such as `body.priority` or `query.limit`."""
    what: str


class ProblemBody(BaseModel):
    """A problem, as RFC 9457 has it, with what Evolvent adds."""

    type: str
    """`urn:evolvent:problem:` and the name of the problem."""
    title: str
    status: int
    detail: str
    """What was wrong, what is allowed and what to do."""
    known: list[str] | None = None
    """Of an unknown name: the ones that there are, 50 at most."""
    errors: list[Fault] | None = None
    """Of a request that cannot be read: its faults."""


class Problem(Exception):
    """A request that is answered with a problem.

    Args:
        status: of HTTP.
        name: the last part of the problem's type.
        detail: what was wrong, what is allowed and what to do.
        headers: further headers of the answer.
        known: the names that there are.
        errors: faults of the request's parts.
    """

    def __init__(
        self,
        status: int,
        name: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        known: Sequence[str] | None = None,
        errors: Sequence[Fault] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.headers = status, dict(headers or {})
        self.body = ProblemBody(
            type=f"urn:evolvent:problem:{name}",
            title=HTTPStatus(status).phrase,
            status=status,
            detail=detail,
            known=None if known is None else list(known)[:50],
            errors=None if errors is None else list(errors)[:50],
        )


def problem_response(problem: Problem) -> JSONResponse:
    """Return the answer that says a problem."""
    content: dict[str, JsonValue] = problem.body.model_dump(mode="json", exclude_none=True)
    return JSONResponse(
        _printable(content), problem.status, problem.headers, media_type="application/problem+json"
    )


def handle_problems(app: FastAPI, answer: Callable[[Request, Problem], Response]) -> None:
    """Let an application answer every error with a problem.

    Args:
        app: whose errors they are.
        answer: makes the answer to a request.
    """

    async def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return answer(request, error)

    async def evolvent(request: Request, error: Exception) -> Response:
        assert isinstance(error, EvolventError)
        found = _of(error)
        if found.status >= 500:
            _log.warning("%s: %s", type(error).__name__, error)
        return answer(request, found)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = [
            Fault(where=".".join(map(str, fault["loc"])), what=str(fault["msg"])) for fault in error.errors()
        ]
        broken = any(fault["type"] == "json_invalid" for fault in error.errors())
        told = "; ".join(f"{fault.where}: {fault.what}" for fault in faults[:5])
        found = Problem(400 if broken else 422, "malformed" if broken else "invalid", told, errors=faults)
        return answer(request, found)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = _allowed(app, request.url.path) or headers.get("Allow", "")
        details = {
            404: "there is nothing here; /api/v1/openapi.json lists what there is",
            405: "this method is not allowed here; the header Allow lists those that are",
        }
        detail = details.get(error.status_code, str(error.detail))
        name = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        return answer(request, Problem(error.status_code, name, detail, headers=headers))

    async def unforeseen(request: Request, _: Exception) -> Response:
        # The server logs the traceback; whoever asked learns nothing of the inside.
        return answer(request, Problem(500, "internal", "something broke; the daemon's log says what"))

    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(EvolventError, evolvent)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unforeseen)


def _allowed(app: FastAPI, path: str) -> str:
    """Return the methods of all routes of a path; the router itself names those of the first one only."""
    found: set[str] = set()
    for template, methods in app.openapi()["paths"].items():
        if compile_path(template)[0].match(path):
            found |= {method.upper() for method in methods}
    return ", ".join(sorted(found))


def _of(error: EvolventError) -> Problem:
    text = str(error)
    if isinstance(error, UnknownName):
        return Problem(404, "unknown-name", text, known=error.known)
    if isinstance(error, HomeBusy):
        return Problem(503, "busy", text, headers={"Retry-After": "5"})
    if isinstance(error, UsageError):
        return Problem(409, "conflict", text)
    if isinstance(error, MissingPrerequisite):
        return Problem(503, "missing", text)
    if isinstance(error, IntegrityError):
        return Problem(500, "damaged", text)
    return Problem(500, "failed", text)


def _printable(value: JsonValue) -> JsonValue:
    """Return the value with lone surrogates replaced: they are no text that could be sent."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_printable(item) for item in value]
    if isinstance(value, dict):
        return {key: _printable(item) for key, item in value.items()}
    return value
