"""Scripts and styles: shipped, as they were vendored, and kept by browsers."""

from __future__ import annotations

import gzip
import hashlib
import re
from importlib.resources import files

import pytest
from tests.daemon.api.serving import Served
from tests.daemon.dashboard.looking import browser

from evolvent.daemon.dashboard.static import FILES, asset

ROOM = files("evolvent.daemon.dashboard")


def test_vendored_files_are_those_that_were_looked_at() -> None:
    folder = ROOM / "static" / "vendor"
    listed = dict(
        re.findall(r"^\| (\S+\.js) .*\| ([0-9a-f]{64}) \|$", (folder / "VENDORED.md").read_text(), re.M)
    )
    scripts = {path.name: path for path in folder.iterdir() if path.name.endswith(".js")}
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in scripts.items()} == listed
    for name in ("htmx", "htmx-sse", "echarts", "echarts-d3"):
        assert (folder / f"LICENSE.{name}").read_text().strip()


def test_every_static_file_is_served_and_nothing_else(served: Served) -> None:
    there = {str(path.name) for path in (ROOM / "static").iterdir() if path.is_file()}
    assert there == {name for name in FILES if "/" not in name}
    with browser(served) as visitor:
        for name, kind in FILES.items():
            answer = visitor.get(asset(name))
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith(kind)
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.content == (ROOM / "static" / name).read_bytes()
            plain = visitor.get(asset(name), headers={"Accept-Encoding": "identity"})
            assert "content-encoding" not in plain.headers
            assert plain.content == answer.content
        for path in (
            "/static/0000000000000000/style.css",
            asset("style.css") + "/../../session.py",
            "/static/x",
        ):
            assert visitor.get(path).status_code == 404


def test_echarts_is_packed() -> None:
    content = (ROOM / "static" / "vendor" / "echarts.min.js").read_bytes()
    assert len(gzip.compress(content)) < 0.4 * len(content)


@pytest.mark.parametrize("name", ["base.html", "parts.html", "login.html"])
def test_templates_are_shipped(name: str) -> None:
    assert (ROOM / "templates" / name).is_file()


def test_nothing_in_a_template_needs_a_weaker_policy() -> None:
    for path in (ROOM / "templates").iterdir():
        text = path.read_text()
        assert not re.search(r"\sstyle=|\son\w+=|javascript:|\|\s*safe\b|autoescape", text), path.name
        for script in re.findall(r"<script\b[^>]*>", text):
            assert "src=" in script or 'type="application/json"' in script, (path.name, script)
        for source in re.findall(r'(?:src|href|action)="(https?:[^"]*)', text):
            raise AssertionError(f"{path.name} names another host: {source}")
