"""What the pages show, to whom, and what a form may do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.daemon.api.serving import Serve, Served, fill
from tests.daemon.dashboard.looking import browser, csrf_of

from evolvent.daemon.dashboard.pages import PAGES
from evolvent.daemon.dashboard.rendering import POLICY
from evolvent.storage.backups import back_up
from evolvent.types import ApprovalRequest, JobRequest, JobState, Limits

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><a href=javascript:alert(3)>\x1b[31mred\x1b]0;title\x07"
    "\u202etxt\x00\x9b{{ 7*7 }}{% raw %}</pre></textarea>\nid: 1\nevent: entry\ndata: <b>x</b>\r\n\r\n"
)


def question(name: str = "q-one", **subject: Any) -> ApprovalRequest:
    return ApprovalRequest(
        id=name,
        run_id="r-x",
        session_id="r-x#1",
        kind="tool_call",
        subject={"tool": "mail", **subject},
        reason="new",
    )


@pytest.mark.parametrize("path", [page.path for page in PAGES])
def test_every_page_is_there_empty_and_filled_and_strict(served: Served, path: str) -> None:
    with browser(served, served.token("read")) as visitor:
        for _ in range(2):
            answer = visitor.get(path)
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-security-policy"] == POLICY
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert answer.text.count('aria-current="page"') >= 1
            assert answer.text.count("<h1") == 1
            fill(served.runtime)


def test_pages_need_a_session(served: Served) -> None:
    with browser(served) as visitor:
        for path in (*(page.path for page in PAGES), "/jobs", "/jobs/x", "/runs/x", "/now/parts", "/live"):
            assert visitor.get(path).status_code == 303, path
        part = visitor.get("/now/parts", headers={"HX-Request": "true", "Accept": "*/*"})
        assert (part.status_code, part.headers["hx-redirect"]) == (401, "/login")


def test_what_is_not_there_is_said_on_a_page(served: Served) -> None:
    with browser(served, served.token("read")) as visitor:
        for path in ("/jobs/none", "/runs/none", "/runs/none/attempts/1", "/nothing"):
            answer = visitor.get(path)
            assert answer.status_code == 404
            assert "text/html" in answer.headers["content-type"]
            assert answer.headers["content-security-policy"] == POLICY
        assert visitor.get("/jobs?state=odd").status_code == 422


def test_a_question_is_handed_in_once_for_each_form(served: Served) -> None:
    with browser(served, served.token("submit")) as visitor:
        form = {"csrf": csrf_of(visitor), "prompt": "What is 6 times 7?", "key": "abc"}
        first, second = (visitor.post("/now/submit", data=form) for _ in range(2))
        assert first.status_code == second.status_code == 303
        assert first.headers["location"] == second.headers["location"]
        job_id = first.headers["location"].partition("made=")[2]
        assert served.ended(job_id).state == JobState.FINISHED
        page = visitor.get(f"/jobs/{job_id}").text
        assert "What is 6 times 7?" in page
        assert ">42<" in page
        empty = visitor.post("/now/submit", data={**form, "prompt": " \n"})
        assert empty.status_code == 422
        assert "the question is empty" in empty.text


def test_a_form_needs_scope_csrf_token_and_origin(served: Served) -> None:
    job, _ = served.daemon.submit(JobRequest(payload={"prompt": "x"}))
    served.runtime.approvals.ask(question())
    forms = {
        "/now/submit": ("submit", {"prompt": "x"}),
        f"/jobs/{job.id}/cancel": ("submit", {}),
        f"/jobs/{job.id}/retry": ("submit", {}),
        "/now/pause": ("admin", {}),
        "/now/resume": ("admin", {}),
        "/approvals/q-one/answer": ("admin", {"verdict": "approve"}),
    }
    below = {"submit": "read", "admin": "submit"}
    for path, (scope, data) in forms.items():
        with browser(served, served.token(below[scope])) as visitor:
            refused = visitor.post(path, data={**data, "csrf": csrf_of(visitor)})
            assert (refused.status_code, scope in refused.text) == (403, True), path
        with browser(served, served.token("admin")) as visitor:
            token = csrf_of(visitor)
            assert visitor.post(path, data=data).status_code == 403
            assert visitor.post(path, data={**data, "csrf": "0" * 64}).status_code == 403
            with browser(served, served.token("admin")) as other:
                assert visitor.post(path, data={**data, "csrf": csrf_of(other)}).status_code == 403
            for headers in (
                {"Origin": "https://evil.example"},
                {"Sec-Fetch-Site": "cross-site"},
                {"Origin": "null"},
            ):
                assert visitor.post(path, data={**data, "csrf": token}, headers=headers).status_code == 403
            del visitor.headers["Origin"], visitor.headers["Sec-Fetch-Site"]
            assert visitor.post(path, data={**data, "csrf": token}).status_code == 403
    assert served.runtime.approvals.get("q-one").verdict is None
    assert served.daemon.status().state == "running"


def test_buttons_are_shown_to_who_may(serve: Serve) -> None:
    served = serve(work=False)
    served.daemon.submit(JobRequest(payload={"prompt": "x"}))
    served.runtime.approvals.ask(question())

    def actions(scope: str) -> set[str]:
        with browser(served, served.token(scope)) as visitor:
            text = "".join(visitor.get(path).text for path in ("/", "/approvals"))
        return {re.sub("j-[0-9a-f]+", "ID", found) for found in re.findall(' action="([^"]*)"', text)}

    assert actions("read") == {"/logout"}
    assert actions("submit") == {"/logout", "/now/submit", "/jobs/ID/cancel"}
    assert actions("admin") == actions("submit") | {"/now/pause", "/approvals/q-one/answer"}


def test_a_job_is_cancelled_and_the_daemon_paused_from_the_page(serve: Serve) -> None:
    served = serve(work=False)
    job, _ = served.daemon.submit(JobRequest(payload={"prompt": "x"}))
    with browser(served, served.token()) as visitor:
        token = csrf_of(visitor)
        assert visitor.post(f"/jobs/{job.id}/cancel", data={"csrf": token}).status_code == 303
        assert served.daemon.queue.get(job.id).state == JobState.CANCELLED
        assert visitor.post("/now/pause", data={"csrf": token}).status_code == 303
        assert "The daemon begins no job" in visitor.get("/").text
        assert visitor.post("/now/resume", data={"csrf": token}).status_code == 303
        assert "The daemon begins no job" not in visitor.get("/").text


def test_a_question_is_answered_once_with_a_reason(served: Served) -> None:
    served.runtime.approvals.ask(question())
    with browser(served, served.token()) as visitor:
        form = {"csrf": csrf_of(visitor), "verdict": "reject", "words": "not today"}
        assert visitor.post("/approvals/q-one/answer", data=form).status_code == 303
        asked = served.runtime.approvals.get("q-one")
        assert (asked.verdict, asked.answer) == ("reject", "not today")
        other = visitor.post("/approvals/q-one/answer", data={**form, "verdict": "approve"})
        assert other.status_code == 409
        assert visitor.post("/approvals/q-one/answer", data={**form, "verdict": "maybe"}).status_code == 422
        assert "not today" in visitor.get("/approvals").text


def test_what_a_task_says_is_shown_and_does_nothing(serve: Serve) -> None:
    served = serve({"": HOSTILE})
    job, _ = served.daemon.submit(JobRequest(payload={"prompt": HOSTILE, "inputs": {HOSTILE: [HOSTILE]}}))
    served.ended(job.id)
    served.runtime.approvals.ask(question(text=HOSTILE, path={HOSTILE: 1}))
    served.daemon.pause(HOSTILE)
    paths = ["/", "/jobs", f"/jobs/{job.id}", "/runs", f"/runs/{job.run_id}", "/approvals", "/health"]
    paths += [f"/runs/{job.run_id}/attempts/1"]
    with browser(served, served.token()) as visitor:
        for path in paths:
            text = visitor.get(path).text
            assert "<script>alert" not in text, path
            assert "<img src=x" not in text, path
            assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text), path
        shown = visitor.get(f"/jobs/{job.id}").text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
        assert "\\x1b[31mred" in shown
        assert "\\u{202e}" in shown
        assert "{{ 7*7 }}" in shown


def test_a_text_of_ten_megabytes_is_cut_and_its_length_told(serve: Serve) -> None:
    served = serve(work=False)
    served.runtime.approvals.ask(question(body="a" * 10_000_000))
    with browser(served, served.token()) as visitor:
        answer = visitor.get("/approvals")
        assert len(answer.content) < 100_000
        assert "of 10,000,0" in answer.text


def test_the_health_page_tells_of_the_sandbox_and_of_backups(served: Served) -> None:
    with browser(served, served.token("read")) as visitor:
        text = visitor.get("/health").text
        assert "nothing ran since the start" in text
        assert "none yet" in text
        source = "def f(n):\n    if n:\n        return n\n    while True: pass\n"
        served.runtime.sandbox.call_function(source, "f", [[1], [2]])
        served.runtime.sandbox.call_function(source, "f", [[0]], Limits(wall_seconds=1))
        back_up(served.runtime.home)
        text = visitor.get("/health").text
        assert "2 ok, 1 ended by wall_seconds" in text
        assert "none yet" not in text


def test_the_health_page_names_what_is_wrong(served: Served) -> None:
    with browser(served, served.token("read")) as visitor:
        assert "All is well" in visitor.get("/health").text
        served.daemon.pause("the cat sleeps on it")
        text = visitor.get("/health").text
        assert "Something needs a look" in text
        assert "the cat sleeps on it" in text


def test_pages_of_a_run_tell_its_steps(served: Served) -> None:
    run = served.runtime.solve("What is 6 times 7?").run_id
    with browser(served, served.token("read")) as visitor:
        assert run in visitor.get("/runs").text
        assert f"/runs/{run}/attempts/1" in visitor.get(f"/runs/{run}").text
        steps = visitor.get(f"/runs/{run}/attempts/1").text
        assert "model.complete" in steps
        assert "What is 6 times 7?" in steps
