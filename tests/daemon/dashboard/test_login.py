"""Logging in, what a session may, and when it ends."""

from __future__ import annotations

import re
import time
from typing import Any

import httpx
import pytest
from tests.daemon.api.serving import Serve, Served
from tests.daemon.dashboard.looking import browser, csrf_of

from evolvent.client import Client
from evolvent.daemon.login_codes import LoginCodes, TooManyCodes
from evolvent.errors import UsageError
from evolvent.storage import Sessions, local_token
from evolvent.types import Scope


def test_pages_lead_to_the_login_and_back(served: Served) -> None:
    with browser(served) as visitor:
        first = visitor.get("/?offset=1")
        assert (first.status_code, first.headers["location"]) == (303, "/login?next=/%3Foffset%3D1")
        form = visitor.get(first.headers["location"])
        assert 'name="next" value="/?offset=1"' in form.text
        done = visitor.post("/login", data={"token": served.token("read"), "next": "/?offset=1"})
        assert (done.status_code, done.headers["location"]) == (303, "/?offset=1")
        cookie = done.headers["set-cookie"]
        for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
            assert part in cookie
        assert "Secure" not in cookie
        assert visitor.get("/").status_code == 200


def test_the_cookie_is_secure_where_the_page_is(served: Served) -> None:
    with browser(served) as visitor:
        origin = served.url.replace("http://", "https://")
        done = visitor.post("/login", data={"token": served.token()}, headers={"Origin": origin})
        assert "; Secure" in done.headers["set-cookie"]


@pytest.mark.parametrize("given", ["", "evo_", "x" * 43, "evo_000000000000_" + "a" * 43, "\x00\ud800"])
def test_what_is_no_token_logs_nobody_in(served: Served, given: str) -> None:
    with browser(served) as visitor:
        body = {"token": given.encode("utf-8", "surrogatepass")}
        refused = visitor.post("/login", data=body)
        assert refused.status_code == 401
        assert "set-cookie" not in refused.headers
        assert 'role="alert"' in refused.text


@pytest.mark.parametrize(
    "after", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_the_login_leads_nowhere_else(served: Served, after: str) -> None:
    with browser(served) as visitor:
        done = visitor.post("/login", data={"token": served.token(), "next": after})
        assert done.headers["location"] == "/"


def test_a_session_ends_with_its_token(served: Served) -> None:
    token, info = served.tokens.create("x", [Scope.READ])
    with browser(served, token) as visitor:
        assert visitor.get("/").status_code == 200
        served.tokens.revoke(info.id)
        time.sleep(1.1)  # within a second
        assert visitor.get("/").status_code == 303


def test_a_session_ends_by_itself(served: Served) -> None:
    now = [1_000_000.0]
    sessions = Sessions(served.runtime.services.engine, served.tokens, clock=lambda: now[0])
    secret = sessions.begin(served.tokens.create("x", [Scope.READ])[1])
    now[0] += 12 * 3600 - 1
    assert sessions.check(secret) is not None
    now[0] += 1
    assert sessions.check(secret) is None


def test_the_database_does_not_hold_what_a_cookie_has(served: Served, own_home: Any) -> None:
    with browser(served, served.token()) as visitor:
        secret = visitor.cookies["evolvent_session"]
    found = b"".join(path.read_bytes() for path in own_home.glob("evolvent.db*"))
    assert found
    assert secret.encode() not in found


def test_logging_out_ends_the_session_also_for_who_kept_the_cookie(served: Served) -> None:
    with browser(served, served.token()) as visitor:
        kept = dict(visitor.cookies)
        assert visitor.post("/logout", data={"csrf": "wrong"}).status_code == 403
        assert visitor.get("/").status_code == 200
        assert visitor.post("/logout", data={"csrf": csrf_of(visitor)}).headers["location"] == "/login"
        assert "evolvent_session" not in visitor.cookies
    with browser(served) as other:
        other.cookies.update(kept)
        assert other.get("/").status_code == 303


def test_a_login_begins_a_new_session_and_ends_the_one_before(served: Served) -> None:
    with browser(served, served.token()) as visitor:
        before = visitor.cookies["evolvent_session"]
        visitor.post("/login", data={"token": served.token("read")})
        assert visitor.cookies["evolvent_session"] != before
        visitor.cookies.set("evolvent_session", before, domain="127.0.0.1")
    with browser(served) as other:
        other.cookies.set("evolvent_session", before)
        assert other.get("/").status_code == 303


def test_a_session_goes_on_after_a_restart(serve: Serve) -> None:
    served = serve()
    with browser(served, served.token()) as visitor:
        cookies = dict(visitor.cookies)
    with browser(serve()) as again:
        again.cookies.update(cookies)
        assert again.get("/").status_code == 200


def test_a_code_logs_in_once_and_with_the_scope_of_who_asked(served: Served) -> None:
    asked = served.client("read").post("/login-codes").json()
    assert asked["path"] == f"/login#{asked['code']}"
    with browser(served, asked["code"]) as visitor:
        page = visitor.get("/").text
        assert "you may look" in re.sub("<[^>]+>", "", page)
    with browser(served) as second:
        assert second.post("/login", data={"token": asked["code"]}).status_code == 401
    assert served.client(None).post("/login-codes").status_code == 401


def test_a_code_works_for_a_minute(served: Served) -> None:
    now = [0.0]
    codes = LoginCodes(served.tokens, clock=lambda: now[0])
    token = served.tokens.create("x", [Scope.READ])[1]
    early, late = codes.make(token), codes.make(token)
    now[0] = 59.9
    assert codes.take(early) == token
    now[0] = 60.0
    assert codes.take(late) is None


def test_a_token_with_many_codes_pushes_nobodys_out(served: Served) -> None:
    theirs = served.client("read").post("/login-codes").json()["code"]
    greedy = served.client("read")
    answers = [greedy.post("/login-codes") for _ in range(110)]
    assert [answer.status_code for answer in answers] == [201] * 10 + [429] * 100
    refused = answers[-1]
    assert refused.json()["type"] == "urn:evolvent:problem:too-many"
    assert "'test' has 10 login codes" in refused.json()["detail"]
    assert 50 < int(refused.headers["retry-after"]) <= 60
    for code in (theirs, answers[0].json()["code"]):
        with browser(served, code) as visitor:
            assert visitor.get("/").status_code == 200
    assert greedy.post("/login-codes").status_code == 201, "one was used"


def test_codes_that_are_too_old_make_room(served: Served) -> None:
    now = [0.0]
    codes = LoginCodes(served.tokens, clock=lambda: now[0])
    token = served.tokens.create("x", [Scope.READ])[1]
    for _ in range(10):
        codes.make(token)
        now[0] += 1
    with pytest.raises(TooManyCodes, match="wait 50 s") as refused:
        codes.make(token)
    now[0] += refused.value.seconds
    assert codes.take(codes.make(token)) == token


def test_a_client_is_told_of_too_many_codes_at_once(served: Served) -> None:
    with Client(served.url, served.token("read")) as client:
        for _ in range(10):
            client.login_code()
        began = time.monotonic()
        with pytest.raises(UsageError, match="has 10 login codes that nobody has used"):
            client.login_code()
        assert time.monotonic() - began < 5


def test_who_made_a_code_hears_whether_it_was_used(served: Served) -> None:
    client, other = served.client("read"), served.client("admin")
    made = client.post("/login-codes").json()
    path = f"/login-codes/{made['id']}"
    assert made["code"] not in path
    assert client.get(path).json() == {"id": made["id"], "pending": True}
    assert other.get(path).json()["pending"] is False
    with browser(served, made["code"]):
        assert client.get(path).json()["pending"] is False
    assert client.get("/login-codes/x").status_code == 422


TO_A_PAGE = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def test_a_link_of_another_page_leads_to_the_login_and_nowhere_else(served: Served) -> None:
    with browser(served, served.token()) as visitor:
        del visitor.headers["Origin"]
        for site in ("cross-site", "same-site"):
            visitor.headers["Sec-Fetch-Site"] = site
            assert visitor.get("/login", headers=TO_A_PAGE).status_code == 200
            for path in ("/", "/login/", "/static/login.js", "/api/v1/jobs"):
                assert visitor.get(path, headers=TO_A_PAGE).status_code == 403, path
            assert visitor.post("/login", data={"token": "x"}, headers=TO_A_PAGE).status_code == 403
            for odd in ({"Sec-Fetch-Dest": "iframe"}, {"Sec-Fetch-Mode": "no-cors"}, {"Origin": "null"}):
                assert visitor.get("/login", headers=TO_A_PAGE | odd).status_code == 403, odd
            assert visitor.get("/login").status_code == 403


def test_a_page_of_others_logs_nobody_in_as_somebody_else(served: Served) -> None:
    """What `login.js` sends by itself where another site's page led to it."""
    theirs = served.client("admin").post("/login-codes").json()["code"]
    local_token(served.runtime.home.token, served.tokens)
    own = served.app.state.context.codes.make(served.tokens.get("local"))
    with browser(served) as visitor:
        for given in (theirs, served.token("admin")):
            refused = visitor.post("/login", data={"token": given, "elsewhere": "true"})
            assert refused.status_code == 401
            assert "set-cookie" not in refused.headers
            assert "A link on another page" in refused.text
        assert visitor.post("/login", data={"token": own, "elsewhere": "true"}).status_code == 303


def test_a_code_of_the_command_line_outlives_its_token(served: Served) -> None:
    codes = LoginCodes(served.tokens)
    local_token(served.runtime.home.token, served.tokens)
    local = served.tokens.get("local")
    code = codes.make(local)
    own = codes.take(code)
    assert own is not None
    served.tokens.revoke(local.id)
    assert own.name == "dashboard"
    assert own.may(Scope.ADMIN)
    assert own.expires_at is not None
    assert served.tokens.alive(own.id) is not None


def test_a_code_of_a_revoked_token_is_worth_nothing(served: Served) -> None:
    codes = LoginCodes(served.tokens)
    token = served.tokens.create("x", [Scope.ADMIN])[1]
    code = codes.make(token)
    served.tokens.revoke(token.id)
    assert codes.take(code) is None


def test_forms_of_other_sites_and_without_an_origin_are_refused(served: Served) -> None:
    token = served.token()
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {},
    ):
        with httpx.Client(base_url=served.url, timeout=30) as visitor:
            answer = visitor.post("/login", data={"token": token}, headers=headers)
            assert answer.status_code == 403, headers
            assert "set-cookie" not in answer.headers


def test_guessing_at_the_login_is_limited_and_locks_nobody_out(serve: Serve) -> None:
    served = serve(work=False, daemon_rate=5)
    with browser(served) as visitor:
        guess = {"token": "evo_000000000000_" + "x" * 43}
        answers = [visitor.post("/login", data=guess) for _ in range(40)]
        assert {answer.status_code for answer in answers} == {401, 429}
        assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 429)
        assert visitor.post("/login", data={"token": served.token("read")}).status_code == 303


def test_one_token_cannot_begin_sessions_without_end(serve: Serve) -> None:
    served = serve(work=False, daemon_rate=5)
    token = {"token": served.token("read")}
    with browser(served) as visitor:
        assert {visitor.post("/login", data=token).status_code for _ in range(40)} == {303, 429}
