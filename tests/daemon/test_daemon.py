"""Jobs are done once, in order of who waits, stopped where they are, and wait for what is down."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import tool
from tests.daemon.conftest import SAYS, SPINS, Home, ask, ended, in_state, until

from evolvent import hookimpl
from evolvent.errors import UnknownName, UsageError
from evolvent.types import JobMoved, JobRequest, JobState

COUNTS = (
    SAYS + "def solve(task, ctx):\n"
    "    ctx.tools.call('count', {'text': task['prompt']})\n"
    "    return say(ctx, task['prompt'])\n"
)
TWICE = (
    SAYS + "def solve(task, ctx):\n    say(ctx, task['prompt'])\n    return say(ctx, task['prompt'] + '2')\n"
)


class Counter:
    """A tool with an effect that is counted in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @hookimpl
    def register_tools(self, register: Any) -> None:
        @tool
        def count(text: str) -> str:
            """Count."""
            with self.path.open("a") as file:
                file.write(text + "\n")
            return "counted"

        register("count", count, touches=["writes_files"])

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


def test_a_question_is_answered(home: Home) -> None:
    daemon = home.daemon({"6*7": "42"})
    job, new = daemon.submit(ask("6*7?", key="k"))
    done = ended(daemon, job)
    assert new
    assert done.state == JobState.FINISHED
    assert isinstance(done.result, dict)
    assert (done.result["answer"], done.result["run_id"]) == ("42", job.run_id)
    assert daemon.runtime.runs.get(job.run_id).status == "answered"
    assert daemon.submit(ask("6*7?", key="k"))[0].id == job.id
    assert daemon.status().jobs[JobState.FINISHED] == 1


@pytest.mark.parametrize(
    ("request_", "error", "says"),
    [
        (JobRequest(kind="dance"), UnknownName, "unknown kind of job 'dance'"),
        (JobRequest(payload={}), UsageError, "prompt: Field required"),
        (JobRequest(payload={"prompt": "x", "colour": "red"}), UsageError, "colour"),
        (JobRequest(payload={"prompt": "x", "untrusted": ["page"]}), UsageError, "no input"),
        (JobRequest(kind="evolve", payload={"suite": "x", "at_most": 0}), UsageError, "at_most"),
    ],
)
def test_what_cannot_be_done_is_refused_when_it_is_handed_in(
    home: Home, request_: JobRequest, error: type[Exception], says: str
) -> None:
    daemon = home.daemon(start=False)
    with pytest.raises(error, match=says):
        daemon.submit(request_)
    assert sum(daemon.queue.counts().values()) == 0


def test_a_job_at_fault_is_given_up_at_once_with_its_reason(home: Home) -> None:
    daemon = home.daemon()
    job = daemon.submit(JobRequest(payload={"prompt": "x", "evaluator": "nobody"}))[0]
    done = ended(daemon, job)
    assert (done.state, done.tries) == (JobState.DEAD, 1)
    assert "unknown evaluator 'nobody'" in done.reason
    assert "nobody" in daemon.status().last_error


def test_cancelling_kills_the_guest_of_a_running_job(home: Home) -> None:
    daemon = home.daemon(agent=SPINS)
    job = daemon.submit(ask("x"))[0]
    in_state(daemon, job, JobState.RUNNING)
    until(lambda: daemon.runtime.services.stops._open)
    began = time.monotonic()
    daemon.cancel(job.id)
    done = ended(daemon, job)
    assert done.state == JobState.CANCELLED
    assert time.monotonic() - began < 5
    assert daemon.runtime.runs.get(job.run_id).status in ("cancelled", "running")
    assert not daemon.runtime.services.stops._open
    other = daemon.submit(ask("y"))[0]
    daemon.cancel(in_state(daemon, other, JobState.RUNNING).id)
    assert ended(daemon, other).state == JobState.CANCELLED


def test_checkpoints_of_jobs_that_never_go_on_are_deleted(home: Home) -> None:
    daemon = home.daemon({"spin": "x", "": "42"}, slots=1)
    kept = daemon.runtime.checkpoints

    def threads() -> set[str]:
        with kept.cursor(transaction=False) as cursor:
            rows = [
                cursor.execute(f"SELECT DISTINCT thread_id FROM {table}").fetchall()
                for table in ("checkpoints", "writes")
            ]
            return {name for found in rows for (name,) in found}

    other = daemon.runtime.solve("Somebody else's question?", run_id="r-0").run_id
    job = daemon.submit(ask("What is 6 times 7?"))[0]
    until(lambda: daemon.queue.get(job.id).state.ended)
    until(lambda: threads() == {other})
    assert (
        daemon.runtime.solve("What is 6 times 7?", run_id=job.run_id).answer == "42"
    )  # from its stored result
    daemon.runtime.services.genome = {**daemon.runtime.services.genome, "task_agent.py": SPINS}
    job = daemon.submit(ask("spin"))[0]
    until(lambda: job.run_id in threads())
    daemon.cancel(job.id)
    until(lambda: daemon.queue.get(job.id).state == JobState.CANCELLED)
    until(lambda: threads() == {other})


def test_cancelling_a_queued_and_an_ended_job(home: Home) -> None:
    daemon = home.daemon(start=False)
    job = daemon.submit(ask("x"))[0]
    assert daemon.cancel(job.id).state == JobState.CANCELLED
    assert daemon.cancel(job.id).state == JobState.CANCELLED
    with pytest.raises(UnknownName):
        daemon.cancel("j-nothing")


def test_drain_gives_back_and_the_next_start_goes_on_without_doing_anything_twice(
    home: Home, tmp_path: Path
) -> None:
    counter, block = Counter(tmp_path / "count"), threading.Event()
    calls: list[str] = []

    def script(messages: Any) -> str:
        calls.append("call")
        block.wait(20)
        return "done"

    (Path(home.runtime().home.path) / "approvals.toml").write_text('[interactive]\nwrites_files = "allow"\n')
    daemon = home.daemon(script, counter, agent=COUNTS)
    job = daemon.submit(ask("once"))[0]
    until(lambda: calls)
    threading.Timer(0.3, block.set).start()
    assert daemon.drain(10.0)
    left = daemon.queue.get(job.id)
    assert (left.state, left.tries, left.reason) == (JobState.QUEUED, 0, "the daemon ended")
    again = home.daemon(script, counter, agent=COUNTS)
    assert ended(again, job).state == JobState.FINISHED
    assert counter.lines() == ["once"]
    assert calls == ["call"]


def test_a_user_comes_before_idle_work_which_goes_on_afterwards(home: Home) -> None:
    order: list[str] = []
    block = threading.Event()

    def script(messages: Any) -> str:
        text = str(messages[-1].content)
        order.append(text)
        if text == "idle":
            block.wait(20)
        return text

    daemon = home.daemon(script, agent=TWICE)
    idle = daemon.submit(ask("idle", priority=-50))[0]
    until(lambda: order)
    user = daemon.submit(ask("user"))[0]
    block.set()
    assert ended(daemon, user).state == JobState.FINISHED
    assert ended(daemon, idle).state == JobState.FINISHED
    assert order == ["idle", "user", "user2", "idle2"]
    moves = [e for e in daemon.runtime.ledger.events(idle.run_id, "job.moved") if isinstance(e, JobMoved)]
    assert [m.state for m in moves] == ["queued", "running", "queued", "running", "finished"]
    assert moves[2].reason == "a person's job came first"
    assert moves[3].tries == 1


def test_while_the_model_is_down_jobs_wait_and_are_not_blamed(home: Home) -> None:
    down = threading.Event()
    down.set()
    calls: list[float] = []

    def script(messages: Any) -> str:
        calls.append(time.monotonic())
        if down.is_set():
            raise ConnectionError("refused")
        return "back"

    daemon = home.daemon(script, model_retries=0, start=False)
    daemon._workers.breaker._first = 0.5
    daemon.start()
    jobs = [daemon.submit(ask(f"q{n}", max_tries=1))[0] for n in range(5)]
    until(lambda: daemon.status().model == "down")
    assert "failed 1 times" in daemon.status().last_error
    consolidate = daemon.submit(JobRequest(kind="consolidate"))[0]
    assert ended(daemon, consolidate).state == JobState.FINISHED
    time.sleep(1.2)
    assert len(calls) <= 3, "only the probe may try"
    assert {daemon.queue.get(job.id).state for job in jobs} <= {JobState.QUEUED, JobState.RUNNING}
    down.clear()
    for job in jobs:
        assert ended(daemon, job).state == JobState.FINISHED
    assert daemon.status().model == "up"
    whats = [(e.what, e.reason) for e in daemon.runtime.ledger.events(kind="daemon.changed")]  # type: ignore[union-attr]
    assert ("model", "it answers again") in whats


def test_a_job_waits_for_a_person_and_goes_on_with_the_answer(home: Home, tmp_path: Path) -> None:
    counter = Counter(tmp_path / "count")
    daemon = home.daemon(None, counter, agent=COUNTS)
    job = daemon.submit(ask("may I"))[0]
    waiting = in_state(daemon, job, JobState.WAITING)
    (asked,) = daemon.runtime.approvals.list(job.run_id)
    assert asked.id in waiting.reason
    assert counter.lines() == []
    assert daemon.answer(asked.id, "approve").verdict == "approve"
    assert ended(daemon, job).state == JobState.FINISHED
    assert counter.lines() == ["may I"]


def test_pausing(home: Home) -> None:
    daemon = home.daemon()
    daemon.pause("maintenance")
    job = daemon.submit(ask("x"))[0]
    time.sleep(0.3)
    assert daemon.queue.get(job.id).state == JobState.QUEUED
    assert (daemon.status().state, daemon.status().why_paused) == ("paused", "maintenance")
    daemon.resume()
    assert ended(daemon, job).state == JobState.FINISHED
    assert daemon.status().state == "running"


def test_two_slots_work_at_once(home: Home) -> None:
    block = threading.Event()
    daemon = home.daemon(lambda _: str(block.wait(20)), slots=2)
    jobs = [daemon.submit(ask(text))[0] for text in "abc"]
    until(lambda: len(daemon.status().current) == 2)
    assert daemon.queue.get(jobs[2].id).state == JobState.QUEUED
    block.set()
    for job in jobs:
        assert ended(daemon, job).state == JobState.FINISHED


def test_what_a_plugin_raises_is_tried_again_and_then_given_up(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = home.daemon()
    monkeypatch.setattr("evolvent.storage.jobs.BACKOFF_SECONDS", 0.05)
    monkeypatch.setattr(daemon.runtime, "solve", lambda *a, **k: 1 / 0)
    job = daemon.submit(ask("x", max_tries=2))[0]
    done = ended(daemon, job)
    assert (done.state, done.tries, done.reason) == (
        JobState.DEAD,
        2,
        "ZeroDivisionError: division by zero",
    )
    monkeypatch.undo()
    daemon.retry(job.id)
    assert ended(daemon, job).state == JobState.FINISHED


def test_an_answer_that_is_a_long_integer_is_an_answer(home: Home) -> None:
    daemon = home.daemon(agent="def solve(task, ctx):\n    return task['inputs']['n'] ** 2\n")
    request = JobRequest(payload={"prompt": "square it", "inputs": {"n": 2**70}, "reference": 2**140,
                                  "evaluator": "exact"})  # fmt: skip
    job = ended(daemon, daemon.submit(request)[0])
    assert (job.state, job.reason) == (JobState.FINISHED, "")
    assert job.result["answer"] == 2**140  # type: ignore[index, call-overload]
    assert job.result["status"] == "solved"  # type: ignore[index, call-overload]
