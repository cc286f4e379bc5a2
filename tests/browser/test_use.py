"""What people do with the pages."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import expect
from tests.daemon.api.serving import Serve, Served, fill
from tests.daemon.dashboard.test_pages import HOSTILE
from typer.testing import CliRunner

from evolvent.cli import app
from evolvent.daemon.api.callers import REMEMBERED
from evolvent.daemon.place import Place
from evolvent.storage.tokens import local_token
from evolvent.types import ApprovalRequest, JobRequest, JobState, VariantPromoted

pytestmark = pytest.mark.browser


def live(seen: Any) -> None:
    expect(seen.page.locator("[data-live]")).to_have_text("live")


def without_reloading(seen: Any) -> None:
    """Mark the page; `same` tells whether it is still this one."""
    seen.page.evaluate("() => { window.marked = true }")


def same(seen: Any) -> bool:
    return bool(seen.page.evaluate("() => window.marked === true"))


def test_a_job_is_handed_in_and_seen_to_finish(serve: Serve, visit: Any) -> None:
    served = serve()
    served.daemon.pause("the page is opened first")
    seen = visit(served, "/", scope="submit")
    seen.page.get_by_label("Question or task").fill("What is 6 times 7?")
    seen.page.get_by_role("button", name="Hand in").click()
    seen.page.wait_for_url(re.compile("made=j-"))
    live(seen)
    without_reloading(seen)
    (job,) = served.daemon.queue.list()
    state = seen.page.locator("#parts tr", has_text=job.id).locator(".badge")
    expect(state).to_have_text("queued")
    served.daemon.resume()
    expect(state).to_have_text("finished")
    expect(seen.page.locator("ol[sse-swap] li", has_text=f"Job {job.id}").first).to_contain_text("finished")
    assert same(seen)
    seen.picture("use-job-finished")
    seen.page.locator("#parts tr", has_text=job.id).get_by_role("link").click()
    expect(
        seen.page.get_by_label("Answer").or_(seen.page.locator("pre", has_text="42")).first
    ).to_be_visible()


def test_a_job_is_cancelled(serve: Serve, visit: Any) -> None:
    served = serve(work=False)
    job, _ = served.daemon.submit(JobRequest(payload={"prompt": "x"}))
    seen = visit(served, "/", scope="submit")
    seen.page.get_by_role("button", name=f"Cancel {job.id}").click()
    seen.page.wait_for_url(f"{served.url}/jobs/{job.id}")
    assert served.daemon.queue.get(job.id).state == JobState.CANCELLED


def test_a_modification_is_approved(served: Served, visit: Any) -> None:
    served.runtime.approvals.ask(
        ApprovalRequest(
            id="q-change",
            run_id="r-x",
            session_id="r-x#1",
            kind="modification",
            subject={"diff": "- old\n+ new"},
            reason="it touches the meta agent",
        )
    )
    seen = visit(served, "/approvals")
    expect(seen.page.get_by_role("heading", name="A change of the agent program")).to_be_visible()
    seen.page.get_by_label("Reason").fill("it reads well")
    seen.page.get_by_role("button", name="Approve").click()
    expect(seen.page.get_by_text("Nothing waits for a decision.")).to_be_visible()
    seen.picture("use-approved")
    answered = served.runtime.approvals.get("q-change")
    assert (answered.verdict, answered.answer) == ("approve", "it reads well")


def test_the_keyboard_is_enough(serve: Serve, visit: Any) -> None:
    served = serve(work=False)
    served.runtime.approvals.ask(
        ApprovalRequest(
            id="q-k", run_id="r-x", session_id="r-x#1", kind="skill", subject={"name": "x"}, reason="new"
        )
    )
    seen = visit(served, "/")
    keys = seen.page.keyboard

    def tab_to(name: str) -> None:
        for _ in range(60):
            keys.press("Tab")
            if name in seen.page.evaluate(
                "() => { const e = document.activeElement;"
                " return [e.textContent.slice(0, 40), e.getAttribute('name'), e.value].join('|') }"
            ):
                visible = seen.page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
                assert visible != "none"
                return
        raise AssertionError(f"{name} is not reached")

    keys.press("Tab")
    assert seen.page.evaluate("() => document.activeElement.textContent") == "Skip to the content"
    keys.press("Enter")
    tab_to("prompt")
    keys.type("What is 1 + 1?")
    tab_to("Hand in")
    keys.press("Enter")
    seen.page.wait_for_url(re.compile("made="))
    assert [job.payload["prompt"] for job in served.daemon.queue.list()] == ["What is 1 + 1?"]
    tab_to("Approvals")
    keys.press("Enter")
    seen.page.wait_for_url("**/approvals")
    tab_to("words")
    keys.type("fine")
    tab_to("Approve")
    keys.press("Enter")
    expect(seen.page.get_by_text("Nothing waits for a decision.")).to_be_visible()
    assert served.runtime.approvals.get("q-k").verdict == "approve"


def test_events_go_on_after_a_restart_of_the_daemon_and_none_is_missed(serve: Serve, visit: Any) -> None:
    served = serve()
    seen = visit(served, "/")
    live(seen)
    without_reloading(seen)
    port = served.server.port
    first = served.runtime.ledger.last_number()
    before, _ = served.daemon.submit(JobRequest(payload={"prompt": "before"}))
    served.ended(before.id)
    seen.away = True
    served = serve(port=port)
    after, _ = served.daemon.submit(JobRequest(payload={"prompt": "after"}))
    served.ended(after.id)
    expect(seen.page.locator("ol[sse-swap] li", has_text=f"Job {after.id}").first).to_contain_text("finished")
    live(seen)
    seen.away = False
    quiet = ("node.finished", "daemon.worked")
    ledger = [n for n, event in served.runtime.ledger.after(first, 1000) if event.kind not in quiet]
    shown = seen.page.evaluate(
        "() => [...document.querySelectorAll('ol[sse-swap] li')].map(e => Number(e.id.slice(6)))"
    )
    assert shown == sorted(shown, reverse=True)
    assert sorted(n for n in shown if n > first) == ledger
    assert same(seen)


def test_what_a_task_says_harms_nothing(serve: Serve, visit: Any) -> None:
    served = serve({"": HOSTILE})
    seen = visit(served, "/")
    live(seen)
    job, _ = served.daemon.submit(JobRequest(payload={"prompt": HOSTILE}))
    served.ended(job.id)
    expect(seen.page.locator("#parts tr", has_text=job.id).locator(".badge")).to_have_text("finished")
    served.runtime.approvals.ask(
        ApprovalRequest(
            id="q-h",
            run_id=job.run_id,
            session_id="x",
            kind="tool_call",
            subject={"tool": HOSTILE},
            reason=HOSTILE,
        )
    )
    paths = [
        "/",
        f"/jobs/{job.id}",
        "/runs",
        f"/runs/{job.run_id}",
        f"/runs/{job.run_id}/attempts/1",
        "/approvals",
    ]
    for path in paths:
        seen.go(path)
        for details in seen.page.locator("details").all():
            details.evaluate("e => { e.open = true }")
        made = "() => document.querySelectorAll('main script, main img, main a[href^=javascript], main b').length"
        assert seen.page.evaluate(made) == 0, path
        assert "alert(1)" in seen.page.locator("main").inner_text(), path
    seen.picture("use-hostile")


def test_pages_can_be_read_and_used_without_javascript(serve: Serve, visit: Any) -> None:
    served = serve()
    filled = fill(served.runtime)
    seen = visit(served, "/", java_script_enabled=False)
    seen.page.get_by_label("Question or task").fill("What is 6 times 7?")
    seen.page.get_by_role("button", name="Hand in").click()
    seen.page.wait_for_url(re.compile("made=j-"))
    (job,) = served.daemon.queue.list()
    served.ended(job.id)
    seen.go("/")
    expect(seen.page.locator("tr", has_text=job.id).locator(".badge")).to_have_text("finished")
    seen.go(f"/runs/{filled.run}/attempts/1")
    seen.page.locator("summary").last.click()
    expect(seen.page.get_by_text("What is 6 times 7?").last).to_be_visible()
    for path in ("/lineage", "/progress"):
        seen.go(path)
        for place in seen.page.locator("[data-chart], .canvas").all():
            expect(place).to_be_hidden()  # nothing draws in it; a table says the same
    seen.go("/approvals")
    seen.page.get_by_role("button", name="Reject").click()
    expect(seen.page.get_by_text("Nothing waits for a decision.")).to_be_visible()


def test_a_link_of_the_command_line_logs_in_once(served: Served, visit: Any, monkeypatch: Any) -> None:
    home = served.runtime.home
    local_token(home.token, served.tokens)
    place = Place(pid=1, url=served.url, started_at="")
    monkeypatch.setattr("evolvent.daemon.access.find", lambda _: place)
    link = CliRunner().invoke(app, ["dashboard"]).stdout.strip()
    path = link.removeprefix(served.url)
    seen = visit(served, path, scope=None)
    expect(seen.page.get_by_role("heading", name="Now")).to_be_visible()
    assert "#" not in seen.page.url
    again = visit(served, path, scope=None)
    again.away = True  # the browser reports the refusal
    expect(again.page.get_by_role("alert")).to_contain_text("It is not valid")
    again.faults.clear()


BROWSER = """#!/bin/sh
printf '%s\\n' "$1" > "$WHERE/argument"
"""


def told_browser(folder: Path) -> subprocess.Popen[str]:
    """Give `evolvent dashboard --open` with a browser that writes down what it was told."""
    program = folder / "browser"
    program.write_text(BROWSER)
    program.chmod(0o700)
    given = {**os.environ, "BROWSER": f"{program} %s", "WHERE": str(folder)}
    command = [sys.executable, "-m", "evolvent", "dashboard", "--open"]
    process = subprocess.Popen(command, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not (folder / "argument").exists() or not (folder / "argument").read_text().endswith("\n"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    return process


@pytest.fixture
def placed(served: Served) -> Served:
    """A daemon that the command line finds."""
    local_token(served.runtime.home.token, served.tokens)
    Place(pid=os.getpid(), url=served.url, started_at="").save(served.runtime.home)
    return served


def test_a_browser_is_told_no_code_on_its_command_line(placed: Served, visit: Any, tmp_path: Path) -> None:
    process = told_browser(tmp_path)
    told = (tmp_path / "argument").read_text().strip()
    file = Path(unquote(urlsplit(told).path))
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    seen = visit(placed, "/login", scope=None)
    seen.page.goto(told)
    expect(seen.page.get_by_role("heading", name="Now")).to_be_visible()
    assert seen.page.url == f"{placed.url}/"
    link, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    code = link.strip().partition("#")[2]
    assert len(code) == 43
    assert code not in told
    assert not file.parent.exists()


def test_who_interrupts_the_command_leaves_no_page_behind(placed: Served, tmp_path: Path) -> None:
    process = told_browser(tmp_path)
    file = Path(unquote(urlsplit((tmp_path / "argument").read_text().strip()).path))
    assert file.exists()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert not file.parent.exists()


def test_a_session_that_ended_leads_to_the_login(served: Served, visit: Any) -> None:
    seen = visit(served, "/")
    live(seen)
    for info in served.tokens.valid():
        served.tokens.revoke(info.id)
    time.sleep(REMEMBERED)  # for so long a session that was valid is not looked up again
    seen.away = True
    seen.page.evaluate("() => htmx.trigger(document.getElementById('parts'), 'refresh')")
    seen.page.wait_for_url("**/login")


def test_a_promotion_is_rolled_back(serve: Serve, visit: Any) -> None:
    served = serve(work=False)
    first, second = fill(served.runtime).variants
    active = served.runtime.evolution.genomes.active
    seen = visit(served, f"/lineage/{second}")
    seen.page.get_by_role("button", name="Promote").click()
    expect(seen.page.get_by_role("button", name="Roll back")).to_be_visible()
    assert active() == second
    seen.go("/lineage")
    seen.picture("use-promoted")
    seen.page.get_by_label(f"Back to {first[:10]}, because").fill("it was too brief")
    seen.page.get_by_role("button", name="Roll back").click()
    seen.page.wait_for_url(f"{served.url}/lineage/{first}")
    seen.picture("use-rolled-back")
    assert active() == first
    last = served.runtime.ledger.newest("variant.promoted", 1)[0]
    assert isinstance(last, VariantPromoted)
    assert (last.by, last.reason) == ("person", "it was too brief")
