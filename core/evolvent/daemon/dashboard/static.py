"""Scripts and styles: under names that change with their content, so that browsers may keep them for ever."""

from __future__ import annotations

import functools
import gzip
import hashlib
from importlib.resources import files
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Header
from fastapi.responses import Response

from evolvent.daemon.api.problems import Problem
from evolvent.daemon.api.threads import blocking

__all__ = ["FILES", "asset", "router"]

router = APIRouter(prefix="/static")

FILES = {
    "style.css": "text/css",
    "icon.svg": "image/svg+xml",
    "theme.js": "text/javascript",
    "dashboard.js": "text/javascript",
    "login.js": "text/javascript",
    "charts.js": "text/javascript",
    "vendor/htmx.min.js": "text/javascript",
    "vendor/htmx-sse.min.js": "text/javascript",
    "vendor/echarts.min.js": "text/javascript",
}
"""What is served, and as what."""


class _Asset(NamedTuple):
    content: bytes
    packed: bytes
    digest: str


@functools.cache
def _load(name: str) -> _Asset:
    content = files("evolvent.daemon.dashboard").joinpath("static", name).read_bytes()
    return _Asset(content, gzip.compress(content, 6, mtime=0), hashlib.sha256(content).hexdigest()[:16])


def asset(name: str) -> str:
    """Return the URL of a static file."""
    return f"/static/{_load(name).digest}/{name}"


@router.get("/{digest}/{name:path}")
@blocking
def get_static(
    digest: str, name: str, accept_encoding: Annotated[str, Header(alias="Accept-Encoding")] = ""
) -> Response:
    """Return a static file; it needs no session."""
    if name not in FILES or digest != _load(name).digest:
        raise Problem(404, "not-found", "there is no such file; load the page again")
    found = _load(name)
    packed = "gzip" in accept_encoding
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(found.packed if packed else found.content, headers=headers, media_type=FILES[name])
