"""Jobs over HTTP: handed in once, done, cancelled, tried again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from tests.daemon.api.serving import Serve, Served

from evolvent.types import JobState


def ask(prompt: str = "What is 6 times 7?", **more: object) -> dict[str, object]:
    return {"payload": {"prompt": prompt}, **more}


def test_a_job_is_handed_in_done_and_found(served: Served) -> None:
    client = served.client("submit")
    made = client.post("/jobs", json=ask())
    assert made.status_code == 201
    job = made.json()
    assert made.headers["location"] == f"/api/v1/jobs/{job['id']}"
    served.ended(job["id"])
    done = client.get(f"/jobs/{job['id']}").json()
    assert (done["state"], done["result"]["answer"]) == ("finished", "42")
    assert client.get(f"/jobs/{job['id'][:10]}").json() == done
    run = client.get(f"/runs/{done['run_id']}").json()
    assert (run["status"], run["result"]["answer"]) == ("answered", "42")
    assert client.get("/jobs").json() == {"items": [done], "next": None}


def test_jobs_are_listed_in_parts_and_by_state(serve: Serve) -> None:
    served = serve(work=False)
    client = served.client("submit")
    ids = [client.post("/jobs", json=ask(f"{n}")).json()["id"] for n in range(5)]
    first = client.get("/jobs", params={"limit": 3}).json()
    assert ([job["id"] for job in first["items"]], first["next"]) == (ids[:1:-1], 3)
    rest = client.get("/jobs", params={"limit": 3, "offset": 3}).json()
    assert ([job["id"] for job in rest["items"]], rest["next"]) == (ids[1::-1], None)
    client.post(f"/jobs/{ids[0]}/cancel")
    assert [j["id"] for j in client.get("/jobs", params={"state": "cancelled"}).json()["items"]] == ids[:1]
    both = client.get("/jobs", params={"state": ["cancelled", "queued"], "kind": "solve"}).json()["items"]
    assert len(both) == 5
    assert client.get("/jobs", params={"kind": "evolve"}).json()["items"] == []


def test_a_key_makes_one_job_of_many_requests(serve: Serve) -> None:
    served = serve(work=False)
    client = served.client("submit")
    answers = [client.post("/jobs", json=ask(), headers={"Idempotency-Key": key}) for key in ("k1", '"k1"')]
    assert [a.status_code for a in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    assert client.post("/jobs", json=ask(key="k1")).status_code == 200
    other = client.post("/jobs", json=ask("another"), headers={"Idempotency-Key": "k1"})
    assert other.status_code == 422
    assert "k1" in other.json()["detail"]
    both = client.post("/jobs", json=ask(key="k2"), headers={"Idempotency-Key": "k1"})
    assert both.status_code == 422
    assert len(served.daemon.queue.list()) == 1


def test_a_key_makes_one_job_of_requests_at_once(serve: Serve) -> None:
    served = serve(work=False)
    client = served.client("submit")

    def hand_in(_: int) -> tuple[int, str]:
        answer = client.post("/jobs", json=ask(), headers={"Idempotency-Key": "same"})
        return answer.status_code, answer.json()["id"]

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(hand_in, range(48)))
    assert sorted(status for status, _ in found) == [200] * 47 + [201]
    assert len({job_id for _, job_id in found}) == 1


def test_many_requests_at_once_lose_nothing(serve: Serve) -> None:
    served = serve(work=False, daemon_rate=1000)
    client = served.client("submit")
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda n: client.post("/jobs", json=ask(f"{n}")).json()["id"], range(120)))
    assert len(set(made)) == 120
    assert served.daemon.queue.counts()[JobState.QUEUED] == 120


def test_a_dead_job_is_tried_again_and_others_are_not(serve: Serve) -> None:
    served = serve(work=False)
    client = served.client("submit")
    job_id = client.post("/jobs", json=ask()).json()["id"]
    refused = client.post(f"/jobs/{job_id}/retry")
    assert refused.status_code == 409
    assert "queued" in refused.json()["detail"]
    queue = served.daemon.queue
    assert queue.lease("w") is not None
    queue.fail(job_id, "w", "broke", again=False)
    again = client.post(f"/jobs/{job_id}/retry")
    assert (again.status_code, again.json()["state"]) == (200, "queued")


@pytest.mark.parametrize("path", ["/jobs/j-nothing", "/jobs/j-nothing/cancel", "/jobs/j-nothing/retry"])
def test_an_unknown_job_is_404_with_those_that_there_are(served: Served, path: str) -> None:
    client = served.client("submit")
    known = client.post("/jobs", json=ask()).json()["id"]
    found = client.get(path) if path.count("/") == 2 else client.post(path)
    assert found.status_code == 404
    assert found.json()["known"] == [known]
    assert "j-nothing" in found.json()["detail"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"kind": ""}, "body.kind"),
        ({"priority": 1000}, "body.priority"),
        ({"payload": "text"}, "body.payload"),
        ({"stranger": 1}, "body.stranger"),
        ({"max_tries": 0}, "body.max_tries"),
    ],
)
def test_a_request_that_cannot_be_used_is_named(served: Served, body: dict[str, object], where: str) -> None:
    answer = served.client("submit").post("/jobs", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [fault["where"] for fault in answer.json()["errors"]] == [where]


def test_a_kind_that_nobody_handles_names_those_that_there_are(served: Served) -> None:
    answer = served.client("submit").post("/jobs", json=ask(kind="dance"))
    assert answer.status_code == 422
    assert "solve" in answer.json()["known"]


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"",
        b"[" * 100_000,
        b'{"payload": {"a": NaN}}',
        b'{"payload": {"a": "\\ud800"}}',
        b"\xff\xfe",
        b"null",
    ],
)
def test_a_body_that_is_no_json_is_refused(served: Served, content: bytes) -> None:
    answer = served.client("submit").post(
        "/jobs", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert served.daemon.queue.list() == []


def test_text_for_terminals_and_browsers_comes_back_as_json(serve: Serve) -> None:
    served = serve(work=False)
    client = served.client("submit")
    text = "\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>\x00"
    answer = client.post("/jobs", json=ask(text))
    assert answer.json()["payload"]["prompt"] == text
    found = client.get(f"/jobs/{answer.json()['id']}")
    assert found.headers["content-type"] == "application/json"
    assert found.headers["x-content-type-options"] == "nosniff"
    assert b"\x1b" not in found.content
    lost = client.get(f"/jobs/{quote(text[:20])}")
    assert lost.status_code == 404
    assert b"\x1b" not in lost.content
