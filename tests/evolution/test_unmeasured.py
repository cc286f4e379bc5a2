"""What could not be measured is no parent, and is tried again; a meta agent that loops is found out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.evolution.world import META, archive_of, program, run

from evolvent import Runtime
from evolvent.evolution.promotion import activate, settle
from evolvent.types import EvolveOptions

Open = Callable[..., Runtime]
Options = Callable[..., EvolveOptions]

ANSWERING = """def solve(task, ctx):
    return ctx.model.complete([{"role": "user", "content": task["prompt"]}]).text
"""
DOWN = [ConnectionError("down")] * 200


def small(options: Options, **given: Any) -> EvolveOptions:
    files = {**program(3), "task_agent.py": ANSWERING}
    return options(
        files=files, operators=("remark",), width=1, policy="random", **{"generations": 1, **given}
    )


def test_a_variant_that_was_not_measured_is_no_parent_and_is_measured_when_the_model_is_back(
    open_world: Open, options: Options
) -> None:
    runtime = open_world(script=[*["1"] * 9, *DOWN], model_retries=0)
    report, (child,) = run(runtime, small(options))
    assert child.status == "failed"
    stored = archive_of(runtime).stored(child.variant)
    assert not stored.viable
    assert stored.reason.startswith("not measured: the model ")
    assert [v.id for v in archive_of(runtime).tried()] == [report.first], "it is held against nobody"

    runtime = open_world()
    _, heard = run(runtime, small(options, seed=0))
    (again,) = [c for c in heard if c.evidence.get("again")]
    assert (again.variant, again.status, again.parent) == (child.variant, "measured", report.first)
    assert {c.parent for c in heard} == {report.first}, "it was no parent before"
    assert archive_of(runtime).stored(child.variant).viable
    assert archive_of(runtime).variant(child.variant).trials >= 3
    assert runtime.evolution.tables.unfinished(3) == []


def test_a_variant_is_not_tried_for_ever(open_world: Open, options: Options) -> None:
    runtime = open_world(script=[*["1"] * 9, *DOWN], model_retries=0)
    report, heard = run(runtime, small(options, generations=5))
    tried = [c for c in heard if c.variant]
    assert [c.status for c in tried] == ["failed"] * 3
    assert len({c.variant for c in tried}) == 1
    assert not archive_of(runtime).stored(tried[0].variant).viable
    assert report.status == "finished"


def test_a_meta_agent_that_loops_again_and_again_is_at_fault(open_world: Open, options: Options) -> None:
    loops = META.replace("    reply =", "    while True:\n        pass\n    reply =", 1)
    asked = options(
        files={**program(3), "meta_agent.py": loops},
        operators=("remark",),
        generations=4,
        width=1,
        propose_seconds=1.0,
    )
    runtime = open_world()
    _, heard = run(runtime, asked)
    assert [c.status for c in heard] == ["failed", "failed", "rejected", "rejected"]
    assert [c.reason for c in heard][2:] == [
        f"improve() of its parent ran out of time {count} times in a row" for count in (3, 4)
    ]
    children = [v for v in archive_of(runtime).tried() if v.parents]
    assert len(children) == 2, "policies hear of those that count"


def test_what_a_person_promoted_is_active_though_the_process_died(
    open_world: Open, options: Options, monkeypatch: Any
) -> None:
    runtime = open_world()
    report, _ = run(runtime, options(generations=1, level=5))
    archive = archive_of(runtime)
    other = next(v.id for v in archive.variants() if v.id != report.active)

    def killed(*_: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(archive.genomes, "set_active", killed)
        with pytest.raises(KeyboardInterrupt):
            activate(runtime.ledger, archive, other, "to look")
    assert runtime.evolution.genomes.active() == report.active
    runtime = open_world()
    assert runtime.evolution.genomes.active() == other
    assert runtime.services.genome == runtime.evolution.genomes.files(other)
    assert len(list(runtime.ledger.events(kind="variant.promoted"))) == 1
    assert not settle(runtime.ledger, runtime.evolution.genomes), "once is enough"
