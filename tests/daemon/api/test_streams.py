"""Places for streams: bounded for each token, and given back however a stream ends."""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from contextlib import ExitStack

import httpx
import pytest
from tests.daemon.api.serving import Serve, Served
from tests.daemon.dashboard.looking import browser

RETURN = 0x06
SO_ATTACH_FILTER = 26


def open_streams(served: Served) -> int:
    (line,) = [
        line
        for line in served.client("read").get("/metrics").text.splitlines()
        if line.startswith("evolvent_daemon_event_streams ")
    ]
    return int(float(line.split()[1]))


def until_open(served: Served, count: int, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while (found := open_streams(served)) != count:
        assert time.monotonic() < until, f"{found} streams are open, not {count}"
        time.sleep(0.1)


def listen(stack: ExitStack, client: httpx.Client, path: str = "/events") -> httpx.Response:
    """Open a stream that stays open with the stack."""
    answer = stack.enter_context(client.stream("GET", path))
    if answer.status_code == 200:
        lines = answer.iter_lines()
        next(lines)
        stack.callback(lines.close)  # with its lines an answer is closed
    else:
        answer.read()
    return answer


def fall_silent(connection: socket.socket) -> None:
    """Let the kernel drop all that comes in, unanswered: as a machine is that has lost its power."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", RETURN, 0, 0, 0))
    connection.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program))
    )


def test_one_token_leaves_streams_to_others(serve: Serve) -> None:
    served = serve(work=False, daemon_rate=1000)
    greedy, other = served.client("read"), served.client("read")
    with ExitStack() as stack:
        answers = [listen(stack, greedy) for _ in range(52)]
        assert [answer.status_code for answer in answers] == [200] * 50 + [429] * 2
        problem = answers[-1].json()
        assert problem["type"] == "urn:evolvent:problem:too-many"
        assert "50 streams of the token 'test'" in problem["detail"]
        assert "evolvent tokens create" in problem["detail"]
        assert int(answers[-1].headers["retry-after"]) > 0
        assert listen(stack, other).status_code == 200
        until_open(served, 51)
    until_open(served, 0)
    with ExitStack() as stack:
        assert listen(stack, greedy).status_code == 200


def test_pages_and_programs_of_one_token_are_counted_together(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evolvent.daemon.api.streams.STREAMS_OF_TOKEN", 2)
    served = serve(work=False)
    token = served.token("read")
    program = served.client(None, Authorization=f"Bearer {token}")
    with browser(served, token) as page, browser(served, served.token("read")) as other, ExitStack() as stack:
        assert listen(stack, page, "/live").status_code == listen(stack, program).status_code == 200
        assert page.get("/live").status_code == program.get("/events").status_code == 429
        assert listen(stack, other, "/live").status_code == 200


def test_many_requests_at_once_get_no_more_than_one_by_one(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evolvent.daemon.api.streams.STREAMS_OF_TOKEN", 5)
    served = serve(work=False)
    request = (
        f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {served.token('read')}\r\n\r\n"
    ).encode()
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", served.server.port), 20))
            for _ in range(20)
        ]
        for connection in connections:
            connection.sendall(request)
        heads = [connection.recv(15).decode() for connection in connections]
        assert sorted(heads) == ["HTTP/1.1 200 OK"] * 5 + ["HTTP/1.1 429 To"] * 15
    until_open(served, 0)


@pytest.mark.parametrize("how", ["closed", "reset", "silent"])
def test_a_client_that_goes_without_a_word_gives_its_place_back(
    how: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evolvent.daemon.api.streams.PING", 0.2)
    monkeypatch.setattr("evolvent.daemon.api.app.SILENCE", 1.0)
    served = serve(work=False)
    request = (
        f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {served.token('read')}\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", served.server.port), 20) as connection:
        connection.sendall(request)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        until_open(served, 1)
        if how == "silent":
            fall_silent(connection)
            until_open(served, 0)
            return
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until_open(served, 0)
