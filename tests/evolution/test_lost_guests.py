"""A program whose guest goes with what ran it is tried again: nothing of it speaks against the program."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from tests.evolution.world import ASKING, META, SELECT

from evolvent import Runtime
from evolvent.errors import SandboxGone
from evolvent.graphs.campaign import Campaign
from evolvent.graphs.contract import breach_of_contract
from evolvent.practice import EvolveJob
from evolvent.protocols import Sandbox
from evolvent.types import EvolveOptions, Split

Open = Callable[..., Runtime]
Options = Callable[..., EvolveOptions]
SLOW = ASKING.replace("def solve", "import time\n\n\ndef solve").replace(
    "    numbers", "    time.sleep(0.5)\n    numbers", 1
)
FILES = {
    "task_agent.py": SLOW,
    "meta_agent.py": META,
    "select_parent.py": SELECT,
    "prompts/answer.md": "Answer.\n",
}


def opened(runtime: Runtime, options: EvolveOptions) -> Campaign:
    return EvolveJob(runtime, "sums", options).campaign


def zygote_of(sandbox: Any) -> Any:
    return sandbox._zygote


def end_zygote_when_asked(campaign: Campaign, times: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """End the zygote whenever the model was asked, so many times; return what the broker was asked."""
    from evolvent.broker import Broker

    asked: list[str] = []
    really = Broker.handle

    def handle(broker: Broker, method: str, params: Any) -> Any:
        answer = really(broker, method, params)
        asked.append(method)
        if asked.count("model.complete") <= times and method == "model.complete":
            os.killpg(zygote_of(campaign.solving.sandbox).process.pid, signal.SIGKILL)
        return answer

    monkeypatch.setattr(Broker, "handle", handle)
    return asked


def test_an_attempt_is_made_again_and_pays_for_nothing_twice(
    open_world: Open, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = opened(open_world(), options(files=FILES))
    tasks = campaign.tasks[Split.TRAIN]
    usual = campaign.measure(campaign.incumbent(), tasks[:1])
    (before,) = campaign.archive.tables.evaluations(campaign.context, Split.TRAIN, campaign.incumbent())
    asked = end_zygote_when_asked(campaign, 1, monkeypatch)
    campaign.measure(campaign.incumbent(), tasks[1:2])
    found = {
        e.task_id: e
        for e in campaign.archive.tables.evaluations(campaign.context, Split.TRAIN, campaign.incumbent())
    }
    again = found[tasks[1].id]
    assert asked.count("model.complete") == 2, "it was begun twice"
    assert again.usage.model_calls == before.usage.model_calls == 1
    assert again.status in ("solved", "failed"), "it has an answer"
    assert set(usual) == {tasks[0].id}


def test_a_program_that_always_goes_with_its_zygote_has_failed(
    open_world: Open, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = opened(open_world(), options(files=FILES))
    asked = end_zygote_when_asked(campaign, 99, monkeypatch)
    task = campaign.tasks[Split.TRAIN][0]
    assert campaign.measure(campaign.incumbent(), [task]) == {task.id: 0.0}
    assert asked.count("model.complete") == 3


@pytest.mark.parametrize(("times", "breach"), [(1, False), (2, False), (3, True)])
def test_contract_tests_are_run_again(
    open_world: Open, options: Options, monkeypatch: pytest.MonkeyPatch, times: int, breach: bool
) -> None:
    campaign = opened(open_world(), options())
    left = iter(range(times))
    from evolvent_sandbox.session import GuestSession

    really = GuestSession.call

    def call(session: GuestSession, method: str, *given: Any) -> Any:
        if method == "invoke" and next(left, None) is not None:
            raise SandboxGone("its zygote has ended")
        return really(session, method, *given)

    monkeypatch.setattr(GuestSession, "call", call)
    sandbox: Sandbox = campaign.solving.sandbox
    files = campaign.archive.genomes.files(campaign.incumbent())
    found = breach_of_contract(sandbox, files, campaign.tasks[Split.TRAIN][0].view())
    assert found == ("it ended the sandbox: its zygote has ended" if breach else "")
