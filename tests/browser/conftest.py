"""A real browser on a daemon that is served on a free port of this machine.

`EVOLVENT_SCREENSHOTS` names a folder for pictures of what was seen; without it they go where pytest keeps files.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from tests.browser.watching import Watched
from tests.daemon.api.conftest import serve, served
from tests.daemon.api.serving import Served

__all__ = ["serve", "served"]

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser of a module: while Playwright is there, its event loop runs in this thread, and no other can."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        message = "no chromium: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    expect.set_options(timeout=60_000)  # the first job of a process loads the embedding model
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = os.environ.get("EVOLVENT_SCREENSHOTS")
    folder = Path(given) if given else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


Open = Callable[..., Watched]


@pytest.fixture
def visit(chromium: Browser, pictures: Path) -> Iterator[Open]:
    """Open a page of a daemon, logged in with a token of a scope; what goes wrong in it fails the test."""
    contexts: list[BrowserContext] = []
    watched: list[Watched] = []

    def open_(served: Served, path: str = "/", scope: str | None = "admin", **options: Any) -> Watched:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(20_000)
        contexts.append(context)
        page: Page = context.new_page()
        seen = Watched(page, served.url, pictures)
        watched.append(seen)
        page.goto(f"{served.url}/login?next={path}" if scope else f"{served.url}{path}")
        if scope:
            page.get_by_label("Token").fill(served.token(scope))
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url(f"{served.url}{path}")
        return seen

    yield open_
    for context in contexts:
        context.close()
    for seen in watched:
        seen.check()
