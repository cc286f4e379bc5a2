"""Who may do what: without a token nothing, and nobody from another site."""

from __future__ import annotations

import socket
import stat
import time
from collections.abc import Iterator

import httpx
import pytest
from tests.daemon.api.serving import Serve, Served

from evolvent import Settings
from evolvent.daemon.api import check_listen
from evolvent.daemon.api.limits import Rates
from evolvent.daemon.api.listening import is_loopback, known_host
from evolvent.errors import UsageError
from evolvent.storage import local_token
from evolvent.types import Scope

OPEN = {"/api/v1/health", "/api/v1/ready"}
NEEDED = {
    ("post", "/api/v1/jobs"): "submit",
    ("post", "/api/v1/jobs/{job_id}/cancel"): "submit",
    ("post", "/api/v1/jobs/{job_id}/retry"): "submit",
    ("post", "/api/v1/login-codes"): "read",  # the session may what the token may
}


def routes(served: Served) -> Iterator[tuple[str, str, str]]:
    """Yield method, path and the scope that it needs of every route."""
    for path, methods in served.app.openapi()["paths"].items():
        for method in methods:
            if path not in OPEN:
                default = "read" if method == "get" else "admin"
                yield method, path, NEEDED.get((method, path), default)


def call(client: httpx.Client, url: str, method: str, path: str) -> httpx.Response:
    filled = path.replace("{number}", "1")
    for name in ("job_id", "run_id", "name", "lesson_id", "variant", "approval_id"):
        filled = filled.replace(f"{{{name}}}", "x")
    with client.stream(method.upper(), url + filled, json={} if method == "post" else None) as answer:
        if "event-stream" not in answer.headers["content-type"]:
            answer.read()
        return answer


def test_every_route_refuses_who_has_no_token_or_too_little_of_one(served: Served) -> None:
    order = list(Scope)
    clients = {scope: served.client(scope.value) for scope in order}
    bare = served.client(None)
    count = 0
    for method, path, needed in routes(served):
        count += 1
        without = call(bare, served.url, method, path)
        assert without.status_code == 401, path
        assert without.headers["www-authenticate"] == "Bearer"
        assert without.headers["content-type"] == "application/problem+json"
        for scope in order:
            answer = call(clients[scope], served.url, method, path)
            if scope.includes(Scope(needed)):
                assert answer.status_code not in (401, 403), (path, scope)
            else:
                assert answer.status_code == 403, (path, scope)
                assert f'scope="{needed}"' in answer.headers["www-authenticate"]
    assert count >= 30
    for path in OPEN:
        assert bare.get(served.url + path).json() == {"status": "ok"}


def test_tokens_that_are_not_valid_open_nothing(served: Served) -> None:
    bare = served.client(None)
    expired = served.token("admin", seconds=0.01)
    revoked = served.token("admin")
    served.tokens.revoke(revoked.split("_")[1])
    good = served.token("read")
    time.sleep(0.02)
    for wrong in (expired, revoked, good[:-1], good.upper(), f"{good} x", "null", "ä"):
        headers = {"Authorization": f"Bearer {wrong}".encode()}
        answer = bare.get("/jobs", headers=headers)
        assert answer.status_code == 401, wrong
        assert good not in answer.text
    assert bare.get("/jobs", headers={"Authorization": f"Basic {good}"}).status_code == 401
    assert bare.get("/jobs", params={"token": good, "access_token": good}).status_code == 401
    assert bare.get("/jobs", headers={"Cookie": f"token={good}"}).status_code == 401
    assert bare.get("/jobs", headers={"Authorization": f"bearer {good}"}).status_code == 200


def test_a_token_that_is_revoked_while_it_is_used_opens_nothing_after_a_second(served: Served) -> None:
    token = served.token("read")
    bare = served.client(None, Authorization=f"Bearer {token}")
    assert bare.get("/jobs").status_code == 200
    served.tokens.revoke(token.split("_")[1])
    time.sleep(1.1)
    assert bare.get("/jobs").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "strange"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_requests_of_another_site_are_refused(served: Served, headers: dict[str, str]) -> None:
    client = served.client("admin")
    for answer in (client.get("/jobs", headers=headers), client.post("/jobs", json={}, headers=headers)):
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:evolvent:problem:cross-site"
        assert "access-control-allow-origin" not in answer.headers
    preflight = client.options("/jobs", headers={**headers, "Access-Control-Request-Method": "POST"})
    assert preflight.status_code == 403
    assert served.daemon.queue.list() == []


def test_requests_of_its_own_pages_and_of_programs_pass(serve: Serve) -> None:
    served = serve(work=False, daemon_names="box.example")
    client = served.client("read")
    proxied = {"Host": "box.example", "Origin": "https://box.example"}
    for headers in (
        {"Sec-Fetch-Site": "same-origin", "Origin": served.url},
        {"Sec-Fetch-Site": "none"},
        proxied,
    ):
        assert client.get("/jobs", headers=headers).status_code == 200
    assert client.get("/jobs", headers={**proxied, "Origin": "https://other.example"}).status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "[::1", "a:b", ""]
)
def test_a_name_that_is_not_the_daemons_is_refused(served: Served, host: str) -> None:
    answer = served.client("admin").get("/jobs", headers={"Host": host})
    assert answer.status_code in (400, 421)
    assert served.client("admin").get("/health", headers={"Host": host}).status_code in (400, 421)


def test_which_hosts_are_known() -> None:
    settings = Settings(daemon_names="box.example, Other.Example")
    good = [
        "localhost",
        "localhost:1",
        "127.0.0.1:8765",
        "[::1]:8765",
        "10.0.0.7",
        "BOX.example:80",
        "other.example",
    ]
    assert [host for host in good if not known_host(host, settings)] == []
    bad = [
        "",
        "evil.example",
        "box.example.evil",
        "box.example:x",
        "[::1",
        "localhost:80:90",
        "localhost.",
        "@localhost",
    ]
    assert [host for host in bad if known_host(host, settings)] == []


def test_listening_elsewhere_needs_a_token(served: Served) -> None:
    tokens = served.tokens
    local_token(served.runtime.home.token, tokens)
    assert stat.S_IMODE(served.runtime.home.token.stat().st_mode) == 0o600
    check_listen(Settings(), tokens)
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        assert is_loopback(host)
    elsewhere = Settings(daemon_host="0.0.0.0")
    with pytest.raises(UsageError, match="evolvent tokens create"):
        check_listen(elsewhere, tokens)
    tokens.create("short", [Scope.READ], seconds=0.01)
    time.sleep(0.02)
    with pytest.raises(UsageError, match=r"0\.0\.0\.0"):
        check_listen(elsewhere, tokens)
    tokens.create("dashboard", [Scope.READ])
    check_listen(elsewhere, tokens)


def test_a_body_that_is_too_long_is_refused_and_the_daemon_lives(served: Served) -> None:
    client = served.client("submit")
    long = b'{"payload": {"prompt": "' + b"x" * 10_000_000 + b'"}}'
    headers = {"Content-Type": "application/json"}
    declared = client.post("/jobs", content=long, headers=headers)
    parts = (long[i : i + 65_536] for i in range(0, len(long), 65_536))
    chunked = client.post("/jobs", content=parts, headers=headers)
    for answer in (declared, chunked):
        assert answer.status_code == 413
        assert answer.json()["type"] == "urn:evolvent:problem:too-large"
    assert served.daemon.queue.list() == []
    fits = {"payload": {"prompt": "x" * 900_000}}
    assert client.post("/jobs", json=fits).status_code == 201


def test_a_length_that_is_no_number_or_a_lie_harms_nothing(served: Served) -> None:
    token = served.token("submit")
    for length in ("-1", "x", "99999999999999999999"):
        with socket.create_connection(("127.0.0.1", served.server.port), 20) as connection:
            connection.sendall(
                f"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
                f"Content-Length: {length}\r\n\r\n{{}}".encode()
            )
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(4096)
            assert answer == b"" or answer.split(b" ")[1][:1] == b"4", answer
    assert served.client("read").get("/health").status_code == 200


def test_a_body_that_does_not_come_is_not_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evolvent.daemon.api.doors.BODY_SECONDS", 0.3)
    token = served.token("submit")
    with socket.create_connection(("127.0.0.1", served.server.port), 20) as connection:
        connection.sendall(
            f"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{".encode()
        )
        answer = b""
        while part := connection.recv(4096):
            answer += part
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"urn:evolvent:problem:slow" in answer


def test_an_answer_that_takes_too_long_is_not_waited_for(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evolvent.daemon.api.threads.SECONDS", 0.3)
    status = served.daemon.status

    def slow() -> object:
        time.sleep(1.0)
        return status()

    client = served.client("read")
    client.get("/jobs")
    monkeypatch.setattr(served.daemon, "status", slow)
    began = time.monotonic()
    answer = client.get("/status")
    assert time.monotonic() - began < 0.9
    assert (answer.status_code, answer.json()["type"]) == (504, "urn:evolvent:problem:slow")
    assert client.get("/jobs").status_code == 200


def test_who_asks_too_often_is_told_when_to_come_back(serve: Serve) -> None:
    served = serve(work=False, daemon_rate=5)
    client, other = served.client("read"), served.client("read")
    answers = [client.get("/jobs") for _ in range(40)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert refused[0].json()["type"] == "urn:evolvent:problem:too-many"
    assert other.get("/jobs").status_code == 200
    time.sleep(1.0)
    assert client.get("/jobs").status_code == 200


def test_guessing_tokens_is_limited_too(serve: Serve) -> None:
    served = serve(work=False, daemon_rate=5)
    bare = served.client(None, Authorization="Bearer evo_000000000000_" + "x" * 43)
    assert {bare.get("/jobs").status_code for _ in range(40)} == {401, 429}


def test_the_bucket_fills_with_time_and_forgets_the_quietest() -> None:
    now = 0.0
    rates = Rates(2.0, lambda: now)
    assert [rates.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert rates.take("b") == 0
    now = 0.5
    assert [rates.take("a"), rates.take("a") > 0] == [0, True]
    now = 100.0
    assert [rates.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    for number in range(10_000):
        rates.take(f"caller {number}")
    assert rates.take("a") == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("DELETE", "/jobs", 405), ("GET", "/jobs/", 404), ("PUT", "/pause", 405)],
)
def test_every_error_is_a_problem(served: Served, method: str, path: str, status: int) -> None:
    answer = served.client("admin").request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert set(body) >= {"type", "title", "status", "detail"}
    if status == 405:
        assert answer.headers["allow"]


def test_what_breaks_inside_stays_inside(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(served.daemon, "status", broken)
    answer = served.client("read").get("/status")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_answers_carry_the_headers_that_browsers_heed(served: Served) -> None:
    headers = served.client(None).get("/health").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "server" not in headers
