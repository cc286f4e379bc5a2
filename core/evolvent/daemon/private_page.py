"""A secret link for a browser, in a file: what is on a command line all users of a machine can see."""

from __future__ import annotations

import html
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["private_page"]

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Evolvent</title>
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={link}">
<p><a href="{link}">Open the dashboard</a></p>
</html>
"""


@contextmanager
def private_page(link: str) -> Iterator[str]:
    """Yield the `file:` URL of a page that only this user can read and that leads to a link; it is removed after."""
    with tempfile.TemporaryDirectory(prefix="evolvent-dashboard-") as folder:  # for its owner only
        page = Path(folder) / "open.html"
        with os.fdopen(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(PAGE.format(link=html.escape(link)))
        yield page.as_uri()
