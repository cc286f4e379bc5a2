"""The stream of events: in order, each once, and without loss over a disconnect."""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.daemon.api.serving import Serve, Served
from tests.daemon.dashboard.looking import browser

from evolvent.types import RunStarted


def write(served: Served, number: int, run_id: str = "r-test") -> None:
    served.runtime.ledger.append(RunStarted(key=f"k{number}", run_id=run_id, job="solve", title=str(number)))


def parsed(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """Yield server-sent events as the specification reads them, those without data too."""
    event: dict[str, str] = {}
    for line in lines:
        if not line:
            if event:
                yield event
            event = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            event[name] = value.removeprefix(" ")


@contextlib.contextmanager
def stream(
    client: httpx.Client, last: str | None = None, **params: Any
) -> Iterator[Iterator[dict[str, str]]]:
    headers = {} if last is None else {"Last-Event-ID": last}
    with client.stream("GET", "/events", params=params, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield parsed(answer.iter_lines())


def titles(events: Iterator[dict[str, str]], count: int) -> list[str]:
    found: list[str] = []
    for event in events:
        if event.get("event") == "run.started":  # the daemon writes some of its own
            found.append(json.loads(event["data"])["title"])
        if len(found) == count:
            break
    return found


def test_events_come_as_they_happen(serve: Serve) -> None:
    served = serve(work=False)
    with stream(served.client("read")) as events:
        first = next(events)
        assert "data" not in first
        assert int(first["id"]) == served.runtime.ledger.last_number()
        write(served, 1)
        event = next(events)
        assert (event["event"], json.loads(event["data"])["title"]) == ("run.started", "1")
        assert int(event["id"]) == served.runtime.ledger.last_number()


def test_a_stream_goes_on_where_it_was_left_without_loss(serve: Serve) -> None:
    served = serve(work=False)
    client = served.client("read")
    stop = threading.Event()

    def keep_writing() -> None:
        for number in range(3000):
            if stop.is_set():
                return
            write(served, number)
            time.sleep(0.001)

    writer = threading.Thread(target=keep_writing)
    found: list[str] = []
    ids: list[int] = []
    last: str | None = None
    with stream(client) as events:
        last = next(events)["id"]
        writer.start()
    try:
        for size in (1, 7, 40, 200, 3):
            with stream(client, last) as events:
                for event in events:
                    last = event["id"]
                    if "data" in event:
                        found.append(json.loads(event["data"])["title"])
                        ids.append(int(last))
                        size -= 1
                    if not size:
                        break
    finally:
        stop.set()
        writer.join()
    assert found == [str(number) for number in range(len(found))]
    assert len(found) == 251
    assert ids == sorted(set(ids))


def test_a_stream_survives_the_daemons_restart(serve: Serve) -> None:
    served = serve(work=False)
    with stream(served.client("read")) as events:
        last = next(events)["id"]
        write(served, 1)
        last = next(events)["id"]
    write(served, 2)
    port = served.server.port
    again = serve(work=False, port=port)
    write(again, 3)
    with stream(again.client("read"), last) as events:
        assert titles(events, 2) == ["2", "3"]


def test_old_events_are_read_from_the_database(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evolvent.daemon.api.feed.KEPT", 20)
    served = serve(work=False)
    for number in range(700):
        write(served, number)
    with stream(served.client("read"), after="0", kind="run.started") as events:
        assert titles(events, 700) == [str(number) for number in range(700)]


def test_an_event_is_kept_in_memory_once(serve: Serve) -> None:
    """As it is sent, and not as an object beside that."""
    served = serve(work=False)
    write(served, 0)
    with stream(served.client("read"), after="0", kind="run.started") as events:
        for number in range(1, 300):
            write(served, number)
        assert titles(events, 300) == [str(number) for number in range(300)]
        with browser(served, served.token("read")) as page, page.stream("GET", "/live?after=0") as answer:
            shown = (line for line in answer.iter_lines() if line.startswith("data:"))
            assert sum("r-test" in line for line in itertools.islice(shown, 300)) >= 298
        gc.collect()
        kept = [one for one in gc.get_objects() if type(one) is RunStarted]
        assert len(kept) < 10
    feed = served.app.state.context.feed
    assert all(
        entry.event.key == f"k{entry.event.title}" for entry in feed._kept if entry.kind == "run.started"
    )


def test_kinds_and_runs_are_filtered(serve: Serve) -> None:
    served = serve(work=False)
    client = served.client("submit")
    for number in range(4):
        write(served, number, f"r-{number % 2}")
    client.post("/jobs", json={"payload": {"prompt": "x"}})
    with stream(client, after="0", run_id="r-1", kind=["run.started", "job.moved"]) as events:
        assert titles(events, 2) == ["1", "3"]
    with stream(client, after="0", kind="job.moved") as events:
        next(events)
        assert json.loads(next(events)["data"])["state"] == "queued"


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "", "1e3", "9" * 30, "٣", "999999"])
def test_a_malformed_event_id_is_refused(served: Served, number: str) -> None:
    client = served.client("read")
    answer = client.get("/events", headers={"Last-Event-ID": number.encode()})
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:evolvent:problem:malformed-event-id"
    assert client.get("/events", params={"after": number}).status_code == 400


def test_many_listeners_hear_all_and_the_slow_ones_hold_up_nobody(serve: Serve) -> None:
    served = serve(work=False)
    client = httpx.Client(
        base_url=f"{served.url}/api/v1",
        headers={"Authorization": f"Bearer {served.token('read')}"},
        limits=httpx.Limits(max_connections=None),
        timeout=30,
    )
    ready = threading.Barrier(31)

    def listen(_: int) -> list[str]:
        with stream(client) as events:
            next(events)
            ready.wait(20)
            return titles(events, 100)

    with client, ThreadPoolExecutor(30) as pool, stream(client) as never_read:
        next(never_read)
        heard = [pool.submit(listen, n) for n in range(30)]
        ready.wait(20)
        for number in range(100):
            write(served, number)
        assert {tuple(future.result(30)) for future in heard} == {tuple(str(n) for n in range(100))}


def test_streams_end_with_the_server_and_with_their_token(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evolvent.daemon.api.feed.LOOK", 0.2)
    served = serve(work=False)
    client = served.client("read")
    with stream(client) as events:
        next(events)
        for info in served.tokens.valid():
            served.tokens.revoke(info.id)
        assert list(events) == []
    with stream(served.client("read")) as events:
        next(events)
        served.server.should_exit = True
        began = time.monotonic()
        assert list(events) == []
        assert time.monotonic() - began < 5
    served.thread.join(10)
    assert not served.thread.is_alive()


def test_a_client_that_goes_is_not_waited_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evolvent.daemon.api.streams.MAX_STREAMS", 2)
    served = serve(work=False)
    client = served.client("read")
    with stream(client) as one, stream(client) as two:
        next(one), next(two)
        full = client.get("/events")
        assert full.status_code == 503
        assert full.headers["retry-after"]
    until = time.monotonic() + 10
    while served.app.state.context.streams.count:
        assert time.monotonic() < until
        time.sleep(0.02)
    with stream(client) as again:
        assert next(again)["id"]
