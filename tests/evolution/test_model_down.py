"""A model that goes down within a generation: a daemon's job is given back, and goes on with no candidate lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.evolution.world import archive_of, program, run

from evolvent import Runtime
from evolvent.daemon import Daemon
from evolvent.errors import ModelCallError
from evolvent.types import EvolveOptions, JobRequest, JobState

Open = Callable[..., Runtime]
Options = Callable[..., EvolveOptions]

ANSWERING = """def solve(task, ctx):
    return ctx.model.complete([{"role": "user", "content": task["prompt"]}]).text
"""
DOWN = [ConnectionError("down")] * 200


def small(options: Options) -> EvolveOptions:
    files = {**program(3), "task_agent.py": ANSWERING}
    return options(files=files, operators=("remark",), width=1, generations=1)


@pytest.mark.parametrize(
    "answered", [6, 8], ids=["while a change is proposed", "while the child is measured"]
)
def test_the_run_stops_there_and_goes_on_there(open_world: Open, options: Options, answered: int) -> None:
    asked = small(options)
    runtime = open_world(script=[*["1"] * answered, *DOWN], model_retries=0)
    with pytest.raises(ModelCallError, match="down"):
        run(runtime, asked, wait_for_model=True)
    assert not runtime.evolution.campaigns, "its workers have ended"

    runtime = open_world(script={"": "1"})
    report, heard = run(runtime, asked, wait_for_model=True)
    assert report.status == "finished"
    assert [candidate.status for candidate in heard if candidate.status == "failed"] == []
    assert len([variant for variant in archive_of(runtime).variants() if variant.parents]) == 1


def test_the_daemon_gives_the_job_back_and_opens_the_breaker(
    open_world: Open, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evolvent.daemon.breaker.FIRST_SECONDS", 0.2)
    runtime = open_world(script=[*["1"] * 8, *DOWN[:1], *["1"] * 200], model_retries=0, daemon_free_mb=0)
    daemon = Daemon(runtime, background=False)
    daemon.start()
    try:
        payload: dict[str, Any] = {"suite": "sums", "options": small(options).model_dump(mode="json")}
        job, _ = daemon.submit(JobRequest(kind="evolve", payload=payload))
        end = time.monotonic() + 90
        while not (now := daemon.queue.get(job.id)).state.ended and time.monotonic() < end:
            time.sleep(0.05)
    finally:
        daemon.drain(10)
    assert now.state is JobState.FINISHED, now.reason
    assert now.tries == 1, "the try that the model ended is not counted"
    told = [(event.what, event.reason) for event in runtime.ledger.events(kind="daemon.changed")]
    assert [what for what, _ in told].count("model") == 2, "it went down, and it answers again"
    assert now.result["failed"] == 0
