"""HTML from templates: always escaped, and an unknown name is an error."""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from evolvent import __version__
from evolvent.daemon.dashboard.pages import PAGES
from evolvent.daemon.dashboard.session import Viewer
from evolvent.daemon.dashboard.static import asset
from evolvent.daemon.dashboard.visible import as_text, cut, visible

__all__ = ["POLICY", "back", "fragment", "show"]

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Content-Security-Policy of each page: nothing inline, nothing from elsewhere."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    # `no-referrer` would make browsers say `Origin: null` in forms, and the origin could not be checked.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Cookie, HX-Request",
}


def show(
    request: Request, viewer: Viewer | None, template: str, code: int = 200, **values: Any
) -> HTMLResponse:
    """Return a page.

    Args:
        request: which is answered.
        viewer: who sees it; None: somebody who is not logged in.
        template: its file; it extends `base.html`.
        code: the status of HTTP.
        values: what it shows.
    """
    return HTMLResponse(fragment(viewer, template, path=request.url.path, **values), code, HEADERS)


def fragment(viewer: Viewer | None, template: str, **values: Any) -> str:
    """Return what a template makes of values."""
    return _environment().get_template(template).render(viewer=viewer, **values)


def back(path: str) -> RedirectResponse:
    """Return the answer to a form that was done: look at a page (again)."""
    return RedirectResponse(path, 303, HEADERS)


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("evolvent.daemon.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"PAGES": PAGES, "VERSION": __version__, "asset": asset}
    environment.filters |= {
        "visible": visible,
        "as_text": as_text,
        "cut": cut,
        "moment": _moment,
        "amount": _amount,
        "line": _line,
    }
    return environment


def _moment(iso: str | datetime | None) -> str:
    """Return a time for people, in UTC: `2026-11-22 01:03:27`."""
    text = iso.isoformat() if isinstance(iso, datetime) else iso or ""
    return text[:19].replace("T", " ")


def _amount(value: float) -> str:
    """Return a number for people: `12,345`, `0.25`."""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1_000 else f"{value:,.3g}"


def _line(text: str, limit: int = 160) -> str:
    """Return the beginning of a text on one line."""
    flat = visible(" ".join(text[: limit * 4].split()))
    return flat if len(flat) <= limit and len(text) <= limit * 4 else f"{flat[:limit]}…"
