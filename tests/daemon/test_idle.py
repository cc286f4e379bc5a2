"""Idle time, budgets, a full disk, a clock that jumps, a job that hangs."""

from __future__ import annotations

import shutil
import threading
import time
from datetime import time as clock_time
from typing import Any

import pytest
from tests.daemon.conftest import Home, ask, ended, in_state, until

from evolvent.daemon import watch
from evolvent.daemon.handlers import HANDLERS, Handler, Outcome
from evolvent.types import Frozen, JobRequest, JobState


def whats(daemon: Any) -> list[str]:
    return [event.what for event in daemon.runtime.ledger.events(kind="daemon.changed")]


def test_idle_time_is_used_one_thing_after_the_other_until_somebody_waits(home: Home) -> None:
    daemon = home.daemon(
        background=True, start=False, daemon_idle="evolve,consolidate@1h,audit@24h", daemon_free_mb=0
    )
    background = daemon._background
    background._due |= {"consolidate", "audit"}
    first = background.tick()
    assert (first.kind, first.priority) == ("audit", -50)
    assert background.tick() is None, "one is on its way"
    daemon.queue.finish(daemon.queue.lease("w").id, "w", [])
    second = background.tick()
    assert second.kind == "consolidate"
    daemon.queue.finish(daemon.queue.lease("w").id, "w", [])
    third = background.tick()
    assert (third.kind, third.payload["at_most"]) == ("evolve", 1)
    daemon.queue.fail(daemon.queue.lease("w").id, "w", "frozen", again=False)
    assert background.tick() is None, "what was given up just now is not begun again at once"
    assert {job.kind for job in daemon.queue.list([JobState.DEAD])} == {"evolve"}
    background._due.add("audit")
    person = daemon.submit(ask("x"))[0]
    assert background.tick() is None, "a person waits"
    daemon.cancel(person.id)
    daemon._idle_holds.set("budget", "spent")
    assert background.tick() is None
    daemon._idle_holds.set("budget", "")
    assert background.tick().kind == "audit"


def test_idle_jobs_are_really_done(home: Home) -> None:
    daemon = home.daemon(agent=None, daemon_free_mb=0)
    for kind in ("consolidate", "audit"):
        done = ended(daemon, daemon.submit(JobRequest(kind=kind, priority=-50))[0], 60)
        assert (done.state, done.result) == (JobState.FINISHED, [])


def test_quiet_hours_stop_what_is_done_in_idle_time_but_not_people(home: Home) -> None:
    block = threading.Event()
    daemon = home.daemon(
        lambda _: str(block.wait(20)), background=True, start=False, daemon_free_mb=0,
        daemon_idle="audit@24h", daemon_quiet_hours="08:00-18:00",
    )  # fmt: skip
    daemon._background._due.clear()
    daemon._background.tick = lambda: None
    daemon._background._keep_quiet(clock_time(7))
    daemon._workers.start()
    idle = daemon.submit(ask("idle", priority=-50))[0]
    in_state(daemon, idle, JobState.RUNNING)
    daemon._background._keep_quiet(clock_time(9))
    block.set()
    in_state(daemon, idle, JobState.QUEUED)
    assert daemon.status().idle == "quiet hours from 08:00 to 18:00"
    assert ended(daemon, daemon.submit(ask("person"))[0]).state == JobState.FINISHED
    assert daemon.queue.get(idle.id).state == JobState.QUEUED
    daemon._background._keep_quiet(clock_time(18))
    assert ended(daemon, idle).state == JobState.FINISHED
    assert {"idle paused", "idle resumed"} <= set(whats(daemon))


@pytest.mark.parametrize("budget", ["idle", "all"])
def test_a_spent_day_pauses_and_says_so(home: Home, budget: str) -> None:
    daemon = home.daemon(daemon_day_tokens=1, daemon_budget=budget, daemon_free_mb=0)
    assert ended(daemon, daemon.submit(ask("first"))[0]).state == JobState.FINISHED
    until(lambda: "tokens of the day are spent" in daemon._idle_holds.why)
    idle = daemon.submit(ask("idle", priority=-1))[0]
    person = daemon.submit(ask("person"))[0]
    if budget == "idle":
        assert ended(daemon, person).state == JobState.FINISHED
        assert daemon.status().state == "running"
    else:
        time.sleep(1.5)
        assert daemon.queue.get(person.id).state == JobState.QUEUED
        assert daemon.status().state == "paused"
        assert "tokens of the day are spent" in daemon.status().why_paused
        assert "paused" in whats(daemon)
    assert daemon.queue.get(idle.id).state == JobState.QUEUED
    assert {b.name: b.spent for b in daemon.status().budgets}["tokens"]


def test_a_disk_that_is_almost_full_pauses_until_there_is_room(home: Home) -> None:
    daemon = home.daemon(start=False, daemon_free_mb=100)
    free = [50_000_000]
    daemon._watch._free = lambda _path: free[0]
    daemon.start()
    job = daemon.submit(ask("x"))[0]
    time.sleep(0.5)
    assert daemon.queue.get(job.id).state == JobState.QUEUED
    assert "only 50 MB are free" in daemon.status().why_paused
    free[0] = 105_000_000
    daemon._watch.tick()
    assert daemon.status().state == "paused", "it does not flutter at the edge"
    free[0] = shutil.disk_usage(daemon.runtime.home.path).free + 200_000_000
    assert ended(daemon, job).state == JobState.FINISHED
    assert whats(daemon)[:3] == ["started", "paused", "resumed"]


def test_a_jump_of_the_clock_is_said_and_changes_no_wait(home: Home) -> None:
    daemon = home.daemon(start=False, daemon_free_mb=0)
    job = daemon.submit(ask("x"))[0]
    daemon.queue.lease("w")
    later = daemon.queue.give_back(job.id, "w", "down", seconds=50).not_before
    offset = [0.0]
    daemon._watch._wall = lambda: time.time() + offset[0]
    offset[0] = 7_200.0
    daemon._watch._clock()
    assert daemon.queue.get(job.id).not_before == pytest.approx(
        min(later + 7_200, time.time() + 3_600), abs=5
    )
    assert whats(daemon) == ["clock"]
    daemon._watch._clock()
    assert whats(daemon) == ["clock"]


class Nothing(Frozen):
    """Nothing."""


def test_a_job_that_hangs_is_reported_and_given_up_and_others_go_on(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "GRACE_SECONDS", 0.5)
    block = threading.Event()
    daemon = home.daemon(start=False, daemon_stall_seconds=1.0, daemon_free_mb=0)

    def hang(_work: Any, _given: Any) -> Outcome:
        block.wait(30)
        return Outcome(result="too late")

    daemon._workers._handlers = {**HANDLERS, "audit": Handler(Nothing, hang, needs_model=False)}
    daemon.start()
    hanging = daemon.submit(JobRequest(kind="audit", payload={}))[0]
    done = ended(daemon, hanging)
    assert done.state == JobState.DEAD
    assert "showed no sign of life for" in done.reason
    assert "stalled" in whats(daemon)
    daemon._watch._settings = daemon.runtime.settings.model_copy(update={"daemon_stall_seconds": 60.0})
    assert ended(daemon, daemon.submit(ask("other"))[0]).state == JobState.FINISHED
    block.set()
    time.sleep(0.3)
    assert daemon.queue.get(hanging.id).result is None, "what came too late does not count"


@pytest.mark.parametrize("cancel", [False, True])
def test_idle_work_that_hangs_when_it_is_asked_to_make_room_is_left_behind(
    home: Home, monkeypatch: pytest.MonkeyPatch, cancel: bool
) -> None:
    monkeypatch.setattr(watch, "GRACE_SECONDS", 0.5)
    stall = 120.0 if cancel else 6.0  # more than what a person asks takes
    daemon = home.daemon(start=False, daemon_stall_seconds=stall, daemon_free_mb=0)
    begun, block = threading.Event(), threading.Event()

    def hang(_work: Any, _given: Any) -> Outcome:
        begun.set()
        block.wait(60)
        return Outcome(result="too late")

    daemon._workers._handlers = {**HANDLERS, "audit": Handler(Nothing, hang, needs_model=False)}
    daemon.start()
    hanging = daemon.submit(JobRequest(kind="audit", payload={}, priority=-50))[0]
    assert begun.wait(20)
    asked = daemon.submit(ask("a person waits"))[0]
    assert daemon._workers.works()[0].why == "yield"
    if cancel:
        daemon.cancel(hanging.id)
    assert ended(daemon, asked, 30).state == JobState.FINISHED
    assert ended(daemon, hanging, 30).state == (JobState.CANCELLED if cancel else JobState.DEAD)
    block.set()


def test_the_schedule_begins_what_is_due_and_a_restart_does_not_repeat_it(home: Home) -> None:
    idle = {"background": True, "daemon_free_mb": 0, "daemon_idle": "consolidate@1h,audit@24h"}
    daemon = home.daemon(**idle)
    done = until(lambda: len(daemon.queue.list([JobState.FINISHED])) == 2 and daemon.queue.list())
    assert [(job.kind, job.priority) for job in done] == [("consolidate", -50), ("audit", -50)]
    again = home.daemon(**idle)
    time.sleep(6)
    assert len(again.queue.list()) == 2


@pytest.mark.slow
def test_evolution_goes_on_a_generation_at_a_time_and_anew_when_the_library_has_changed(home: Home) -> None:
    daemon = home.daemon(agent=None, daemon_free_mb=0)
    options: dict[str, Any] = {"generations": 1_000, "train": 2, "gate": 2, "sealed": 0, "width": 1}
    options["operators"] = ["parameters"]
    request = JobRequest(
        kind="evolve",
        priority=-50,
        payload={"suite": "reasoning-gym:starter", "options": options, "at_most": 1},
    )

    def generation() -> Any:
        done = ended(daemon, daemon.submit(request)[0], 200)
        assert done.state == JobState.FINISHED, done.reason
        return done.result

    first, second = generation(), generation()
    assert (first["status"], first["generations"], second["generations"]) == ("paused", 1, 2)
    assert first["run_id"] == second["run_id"]
    daemon.runtime.lessons.keep("Count twice.", "Counting letters.", ["r-x#1"], run_id="r-x")
    third = generation()
    assert third["run_id"] != first["run_id"]
    assert third["generations"] == 1
    assert third["variants"] >= second["variants"]
