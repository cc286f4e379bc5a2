"""What is shown of runs, skills, memory, archive, approvals, plugins and the daemon itself; and deciding on it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.daemon.api.serving import Serve, fill
from tests.runtime.test_approvals import CAREFUL, Post

from evolvent.types import SkillState, VariantPromoted


def test_a_run_is_shown_with_all_that_was_asked_in_it(serve: Serve) -> None:
    served = serve(work=False)
    run = fill(served.runtime).run
    client = served.client("read")
    (listed,) = client.get("/runs").json()["items"]
    assert (listed["id"], listed["job"], listed["status"]) == (run, "solve", "answered")
    shown = client.get(f"/runs/{run[:6]}").json()
    assert shown == {**listed, "config": shown["config"], "result": shown["result"]}
    (attempt,) = client.get(f"/runs/{run}/attempts").json()
    assert attempt["answer"] == "42"
    episode = client.get(f"/runs/{run}/attempts/1").json()
    assert episode["attempt"] == attempt
    assert "model.complete" in [exchange["method"] for exchange in episode["exchanges"]]
    events = client.get(f"/runs/{run}/events").json()
    kinds = [entry["event"]["kind"] for entry in events]
    assert kinds[0] == "run.started"
    assert "run.finished" in kinds
    later = client.get(f"/runs/{run}/events", params={"after": events[-2]["number"]}).json()
    assert later == events[-1:]
    lost = client.get(f"/runs/{run}/attempts/7")
    assert (lost.status_code, lost.headers["content-type"]) == (404, "application/problem+json")
    assert client.get("/runs/r-none").json()["known"] == [run]


def test_parts_of_a_run_have_slashes_in_their_ids(serve: Serve) -> None:
    served = serve(work=False)
    runs = served.runtime.runs
    runs.start("l-1", "learn", "a job", {})
    runs.start("l-1/practice/sums/0", "solve", "a part", {}, parent_id="l-1")
    client = served.client("read")
    (part,) = client.get("/runs", params={"parent": "l-1"}).json()["items"]
    for path in (part["id"], quote(part["id"], safe="")):
        assert client.get(f"/runs/{path}").json()["title"] == "a part"
        assert client.get(f"/runs/{path}/attempts").json() == []
    assert [run["id"] for run in client.get("/runs").json()["items"]] == ["l-1"]


def test_skills_are_listed_searched_shown_and_decided_on(serve: Serve) -> None:
    served = serve(work=False)
    client = served.client("admin")
    page = client.get("/skills", params={"limit": 2}).json()
    assert (len(page["items"]), page["next"]) == (2, 2)
    names = [skill["name"] for skill in client.get("/skills").json()["items"]]
    assert names == sorted(skill.name for skill in served.runtime.skills.list())
    name = "date-difference"
    (first, *_) = client.get("/skill-search", params={"q": "days between two dates", "by": "words"}).json()
    assert (first["name"], first["offered"]) == (name, None)
    found = client.get(
        "/skill-search", params={"q": "How many days from 2024-01-01 until 2024-02-01?"}
    ).json()
    assert (found[0]["name"], found[0]["offered"]) == (name, True)
    shown = client.get(f"/skills/{name}").json()
    assert shown["skill"]["script"]
    (version,) = client.get(f"/skills/{name}/versions").json()
    assert (version["digest"], version["present"]) == (shown["skill"]["digest"], True)
    assert client.get(f"/skills/{name}/trials").json()["drawn"] == 0
    no_diff = client.get(f"/skills/{name}/diff")
    assert (no_diff.status_code, no_diff.json()["type"]) == (409, "urn:evolvent:problem:conflict")
    assert client.get(f"/skills/{name}/diff", params={"old": version["digest"]}).json()["diff"] == ""
    assert client.post(f"/skills/{name}/pin", json={}).json()["pinned"] is True
    assert client.post(f"/skills/{name}/pin", json={"pinned": False}).json()["pinned"] is False
    assert client.post(f"/skills/{name}/retire", json={"reason": " "}).status_code == 422
    retired = client.post(f"/skills/{name}/retire", json={"reason": "wrong on leap years"}).json()
    assert (retired["skill"]["state"], retired["skill"]["reason"]) == ("retired", "wrong on leap years")
    assert served.runtime.skills.get(name).state is SkillState.RETIRED
    (only,) = client.get("/skills", params={"state": "retired"}).json()["items"]
    assert only["name"] == name
    lost = client.get("/skills/date-diference")
    assert lost.status_code == 404
    assert "did you mean 'date-difference'" in lost.json()["detail"]
    assert name in lost.json()["known"]


def test_lessons_are_listed_searched_and_forgotten(serve: Serve) -> None:
    served = serve(work=False)
    lesson = fill(served.runtime).lesson
    client = served.client("admin")
    (listed,) = client.get("/memory/lessons").json()["items"]
    assert listed["id"] == lesson
    assert client.get("/memory/search", params={"q": "a question about lengths"}).json() == [listed]
    shown = client.get(f"/memory/lessons/{lesson[:8]}").json()
    assert (shown["lesson"], shown["utility"], shown["judged_uses"]) == (listed, 0.5, [])
    forgotten = client.post(f"/memory/lessons/{lesson}/forget", json={"reason": "it misleads"}).json()
    assert (forgotten["state"], forgotten["reason"]) == ("forgotten", "it misleads")
    assert client.get("/memory/search", params={"q": "a question about lengths"}).json() == []
    assert client.get("/memory/lessons", params={"state": "active"}).json()["items"] == []
    assert client.get("/memory/lessons/l-none").json()["known"] == [lesson]


def test_the_archive_is_shown_and_a_program_made_active_and_put_back(serve: Serve) -> None:
    served = serve(work=False)
    client = served.client("admin")
    assert client.get("/archive/variants").json() == {"items": [], "next": None}
    empty = client.get("/archive/variants/active")
    assert (empty.status_code, "evolvent evolve" in empty.json()["detail"]) == (409, True)
    first, second = fill(served.runtime).variants
    seed, child = client.get("/archive/variants").json()["items"]
    assert (seed["id"], seed["active"], seed["score"], seed["trials"]) == (first, True, 1.0, 1)
    assert (child["parents"], child["hypothesis"], child["score"]) == ([first], "shorter answers", None)
    shown = client.get("/archive/variants/active").json()
    assert shown["id"] == first
    assert "task_agent.py" in shown["files"]
    assert client.get(f"/archive/variants/{second}/files").json()["prompts/extra.md"] == "Be brief.\n"
    diff = client.get(f"/archive/variants/{second[:8]}/diff").json()
    assert "+Be brief." in diff["diff"]
    assert diff["hypotheses"] == [f"{second[:10]} by meta-agent: shorter answers"]
    assert client.get(f"/archive/variants/{first}/diff").status_code == 409
    promoted = client.post(f"/archive/variants/{second}/promote", json={"because": "it is shorter"})
    assert promoted.json() == {"active": second, "before": first}
    assert served.runtime.services.genome["prompts/extra.md"] == "Be brief.\n"
    assert client.post(f"/archive/variants/{second}/promote", json={}).status_code == 409
    back = client.post("/archive/rollback", json={})
    assert back.json() == {"active": first, "before": second}
    assert "prompts/extra.md" not in served.runtime.services.genome
    events = [e for e in served.runtime.ledger.events() if isinstance(e, VariantPromoted)]
    assert [(e.variant, e.by) for e in events] == [(second, "person"), (first, "person")]
    assert client.get("/archive/variants/ffff").status_code == 404


@pytest.mark.parametrize(("verdict", "sent"), [("approve", ["hello"]), ("reject", [])])
def test_a_job_waits_for_a_person_who_answers_over_http(serve: Serve, verdict: str, sent: list[str]) -> None:
    post = Post()
    served = serve(agent=CAREFUL, plugins=[post])
    client = served.client("admin")
    job = client.post("/jobs", json={"payload": {"prompt": "Send hello."}}).json()
    for _ in range(500):
        asked: list[dict[str, Any]] = client.get("/approvals").json()
        if asked and client.get(f"/jobs/{job['id']}").json()["state"] == "waiting":
            break
    (question,) = asked
    assert (question["run_id"], question["subject"]["arguments"]) == (job["run_id"], {"text": "hello"})
    path = f"/approvals/{question['id']}"
    assert client.get(path).json() == question
    assert client.post(f"{path}/answer", json={"verdict": "perhaps"}).status_code == 422
    answered = client.post(f"{path}/answer", json={"verdict": verdict, "words": "because"}).json()
    assert (answered["verdict"], answered["answer"]) == (verdict, "because")
    other = {"approve": "reject", "reject": "approve"}[verdict]
    assert client.post(f"{path}/answer", json={"verdict": other}).status_code == 409
    assert served.ended(job["id"]).state == "finished"
    assert post.sent == sent
    assert client.get("/approvals").json() == []
    assert [q["id"] for q in client.get("/approvals", params={"pending": False}).json()] == [question["id"]]
    assert client.get("/approvals/q-none").status_code == 404


def test_plugins_are_shown(serve: Serve) -> None:
    client = serve(work=False).client("read")
    plugins = {info["name"]: info for info in client.get("/plugins").json()}
    assert plugins["metrics"]["state"] == "loaded"
    assert client.get("/plugins/metrics").json() == plugins["metrics"]
    lost = client.get("/plugins/metricz")
    assert (lost.status_code, "metrics" in lost.json()["known"]) == (404, True)


def test_the_daemon_says_how_it_is_and_pauses(serve: Serve) -> None:
    served = serve()
    client = served.client("admin")
    status = client.get("/status").json()
    assert (status["state"], status["jobs"]["finished"]) == ("running", 0)
    budgets = client.get("/budgets").json()
    assert [b["name"] for b in budgets] == [b["name"] for b in status["budgets"]] != []
    paused = client.post("/pause", json={"reason": "a look around"}).json()
    assert (paused["state"], paused["why_paused"]) == ("paused", "a look around")
    job = client.post("/jobs", json={"payload": {"prompt": "x"}}).json()
    assert client.get("/ready").status_code == 200
    assert client.post("/resume").json()["state"] == "running"
    served.ended(job["id"])
    served.daemon.drain(20)
    ready = client.get("/ready")
    assert (ready.status_code, ready.json()["type"]) == (503, "urn:evolvent:problem:draining")
    assert client.get("/health").status_code == 200


def test_metrics_tell_of_jobs_events_and_the_process(serve: Serve) -> None:
    served = serve()
    client = served.client("submit")
    served.ended(client.post("/jobs", json={"payload": {"prompt": "x"}}).json()["id"])
    served.runtime.plugins.flush()
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["evolvent_daemon_jobs", "finished"] == 1
    assert found["evolvent_daemon_state", "running"] == 1
    assert found["evolvent_daemon_approvals_open",] == 0
    assert found["process_resident_memory_bytes",] > 1_000_000
    assert found["evolvent_events_total", "job.moved"] >= 3
    assert client.get("/metrics").text.count("# HELP evolvent_events_total") == 1
