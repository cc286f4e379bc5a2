"""The stream of events that a page listens to."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import httpx
from tests.daemon.api.serving import Serve, Served
from tests.daemon.dashboard.looking import browser

from evolvent.types import JobRequest


def entries(answer: httpx.Response) -> Iterator[tuple[int, str]]:
    """Yield numbers and HTML of events."""
    lines = answer.iter_lines()
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        else:
            if fields.get("event") == "entry":
                yield int(fields["id"]), fields["data"]
            fields = {}


def test_events_come_as_escaped_items_in_order_each_once(served: Served) -> None:
    with browser(served, served.token("read")) as visitor:
        first = served.runtime.ledger.last_number()
        job, _ = served.daemon.submit(JobRequest(payload={"prompt": "<b>x</b>"}))
        served.ended(job.id)
        with visitor.stream("GET", f"/live?after={first}") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            found = list(itertools.islice(entries(answer), 5))
        assert [number for number, _ in found] == sorted({number for number, _ in found})
        assert any(job.id in html for _, html in found)
        assert all(re.fullmatch(r'<li id="event-\d+">.*</li>', html) for _, html in found)
        assert "<b>" not in "".join(html for _, html in found)
        again = {"Last-Event-ID": str(found[2][0])}
        with visitor.stream("GET", f"/live?after={first}", headers=again) as answer:
            assert list(itertools.islice(entries(answer), 2)) == found[3:]


def test_a_stream_goes_on_after_a_restart_and_misses_nothing(serve: Serve) -> None:
    served = serve()
    with browser(served, served.token("read")) as visitor:
        cookies = dict(visitor.cookies)
        first = served.runtime.ledger.last_number()
        job, _ = served.daemon.submit(JobRequest(payload={"prompt": "x"}))
        with visitor.stream("GET", f"/live?after={first}") as answer:
            seen = next(entries(answer))[0]
    served.ended(job.id)
    again = serve()
    with browser(again) as visitor:
        visitor.cookies.update(cookies)
        with visitor.stream("GET", "/live", headers={"Last-Event-ID": str(seen)}) as answer:
            told = ""
            for number, html in entries(answer):
                assert number > seen
                told += html
                if "The daemon: started" in html:
                    break
    assert job.id in told
    assert "finished" in told


def test_a_number_of_another_ledger_begins_with_what_is_new(served: Served) -> None:
    with browser(served, served.token("read")) as visitor:
        for odd in ("999999999", "x", "-1", "1e3", ""):
            with visitor.stream("GET", "/live", params={"after": odd}) as answer:
                assert answer.status_code == 200
                assert next(answer.iter_lines()) == f"id: {served.runtime.ledger.last_number()}"
