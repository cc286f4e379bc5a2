"""A browser without a screen: cookies, and what browsers say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from tests.daemon.api.serving import Served

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"


@contextmanager
def browser(served: Served, token: str | None = None) -> Iterator[httpx.Client]:
    """Yield a client that asks as a browser does; logged in, if a token is given."""
    headers = {"Accept": HTML, "Origin": served.url, "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=served.url, headers=headers, timeout=60) as visitor:
        if token is not None:
            assert visitor.post("/login", data={"token": token}).status_code == 303
        yield visitor


def csrf_of(visitor: httpx.Client, path: str = "/") -> str:
    found = re.search('name="csrf" value="([0-9a-f]{64})"', visitor.get(path).text)
    assert found
    return found[1]
