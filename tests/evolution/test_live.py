"""What a person sees while evolution runs: how far each program has come, and what is being done."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from rich.console import Console
from tests.evolution.world import Step, World

from evolvent import Runtime
from evolvent.cli import evolve_live
from evolvent.cli.evolve_live import Live
from evolvent.graphs.progress import Measuring
from evolvent.practice import EvolveJob
from evolvent.types import EvolveOptions, Split

Open = Callable[..., Runtime]
Options = Callable[..., EvolveOptions]


def test_every_task_that_a_program_was_measured_on_is_told(open_world: Open, options: Options) -> None:
    heard: list[Measuring] = []
    runtime = open_world(world=World(step=Step((6,))), workers=3)
    job = EvolveJob(runtime, "sums", options(level=3), progress=heard.append)
    report = job.run()
    told: dict[tuple[str, Split], list[Measuring]] = defaultdict(list)
    for now in heard:
        told[now.variant, now.split].append(now)
    for split, of in ((Split.TRAIN, 6), (Split.GATE, 24), (Split.SEALED, 6)):
        for variant, score in zip((report.first, report.active), getattr(report, split.value), strict=True):
            steps = told[variant, split]
            assert [now.done for now in steps] == list(range(1, of + 1))
            assert {now.of for now in steps} == {of}
            assert steps[-1].score == pytest.approx(score)
    assert all(now.seconds >= 0 for now in heard)


def test_a_run_that_goes_on_counts_what_was_measured_before(open_world: Open, options: Options) -> None:
    EvolveJob(open_world(), "sums", options(generations=0)).run()
    heard: list[Measuring] = []
    EvolveJob(open_world(), "sums", options(generations=0, train=9), progress=heard.append).run()
    assert [(now.done, now.of) for now in heard] == [(7, 9), (8, 9), (9, 9)]


def shown(runtime: Runtime, options: EvolveOptions, monkeypatch: pytest.MonkeyPatch, **console: Any) -> str:
    """Return what a run printed on a console of that kind."""
    stream = io.StringIO()
    monkeypatch.setattr(evolve_live, "talk", lambda: Console(file=stream, width=200, **console))
    with Live() as live:
        job = EvolveJob(runtime, "sums", options, listener=live.generation, progress=live.measured)
        live.begin(job)
        forget = runtime.ledger.listen(live.event)
        job.run()
        forget()
    return stream.getvalue()


def test_a_terminal_has_a_line_that_says_what_is_being_done(
    open_world: Open, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Live, "_say", lambda self, text: said.append(text))
    asked = options(level=3, generations=1)
    shown(open_world(world=World(step=Step((6,)))), asked, monkeypatch, force_terminal=True)
    assert said[0] == "loading the model"
    assert [text for text in said if text.startswith("generation 1: ")] == [
        "generation 1: writing changes",
        "generation 1: checking the changes",
        "generation 1: measuring the candidates",
        "generation 1: recording what came of it",
        "generation 1: looking at the sealed tasks of what was accepted",
    ]
    assert any(text.endswith("on the gate tasks: 24 of 24, mean 0.917") for text in said), said


def test_a_log_has_a_line_for_what_took_long_and_no_others(
    open_world: Open, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = shown(open_world(), options(generations=1), monkeypatch)
    assert "on the train tasks" not in text
    assert "generation 1: " in text
    monkeypatch.setattr(evolve_live, "LONG", 0.0)
    text = shown(open_world(), options(generations=1, seed=1), monkeypatch)
    lines = [line for line in text.splitlines() if "on the train tasks: 6 of 6, mean " in line]
    assert lines
    assert all(line.startswith("  ") for line in lines)
    assert "\x1b" not in text


def test_a_run_that_goes_on_after_an_answer_is_not_announced_again(
    open_world: Open, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(evolve_live, "talk", lambda: Console(file=stream, width=200, force_terminal=True))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("evolvent.cli.approvals.ask_on_terminal", lambda request: True)
    runtime = open_world(world=World(step=Step((6,))))
    command = import_module("evolvent.cli.evolve")  # the package has a function of that name
    report = command._run(runtime, "sums", options(level=3, approve="promotion"), fresh=True)
    assert (report.status, report.accepted) == ("finished", 1)
    assert stream.getvalue().count("Ctrl-C keeps what is finished") == 1
    assert stream.getvalue().count("promoted") >= 1
