"""`archive verify`: whatever is changed behind the archive's back is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update
from tests.evolution.world import Scripted, World, archive_of, program, run

from evolvent import Runtime
from evolvent.evolution.verification import level_of, verify_archive
from evolvent.storage import Home
from evolvent.storage.backups import back_up, restore
from evolvent.storage.tables import EvaluationRow, GateRow, RunRow
from evolvent.types import EvolveOptions, GateDecision, Usage

Open = Callable[..., Runtime]
Options = Callable[..., EvolveOptions]


def lenient(decision: dict[str, Any]) -> dict[str, Any]:
    return {**decision, "alpha": 0.4}


def compared(**figures: float) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda decision: {**decision, "comparison": {**decision["comparison"], **figures}}


@pytest.fixture
def tested(open_world: Open, options: Options) -> Runtime:
    """A runtime with two tests at the gate."""
    levels = [{"task_agent.py": program(level)["task_agent.py"]} for level in (6, 10)]
    runtime = open_world(world=World(up=Scripted(*levels)))
    run(runtime, options(level=0, operators=("up",), generations=1, train=10, gate=60))
    assert len(runtime.evolution.tables.gates()) == 2
    assert verify_archive(archive_of(runtime)) == []
    return runtime


CHANGES: list[tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = [
    (lenient, "its level by the rules is .*, recorded is 0.4$"),
    (
        compared(p_value=0.000_1),
        "the scores give another result than was recorded: p_value .*, recorded is 0.0001$",
    ),
    (
        compared(difference=0.9),
        "the scores give another result than was recorded: difference .*, recorded is 0.9$",
    ),
    (
        compared(incumbent=0.0),
        "the scores give another result than was recorded: incumbent .*, recorded is 0$",
    ),
    (lambda d: {**d, "number": 9}, "it is stored as number 2, accepted, but the decision says 9, accepted$"),
]


def test_a_decision_that_was_changed_is_named(tested: Runtime) -> None:
    decision = tested.evolution.tables.gates()[1].decision
    for change, names in CHANGES:
        _write(tested, update(GateRow).where(GateRow.number == 2).values(decision=change(decision)))
        (fault,) = verify_archive(archive_of(tested))
        assert re.match(f"gate test 2: {names}", fault), fault


def test_an_archive_that_was_restored_verifies_and_is_the_same(
    tested: Runtime, tmp_path: Path, open_world: Open
) -> None:
    file = back_up(tested.home, tmp_path / "home.tar.gz")
    before = archive_of(tested)
    known = ([v.model_dump() for v in before.variants()], before.genomes.active())
    restore(file, Home(tmp_path / "restored"))
    there = archive_of(open_world(home=tmp_path / "restored"))
    assert verify_archive(there) == []
    assert ([v.model_dump() for v in there.variants()], there.genomes.active()) == known
    assert len(there.tables.gates()) == 2


def test_an_acceptance_that_was_made_up_is_named(tested: Runtime) -> None:
    row = tested.evolution.tables.gates()[1]
    turned = not row.accepted
    decision = {**row.decision, "accepted": turned}
    _write(tested, update(GateRow).where(GateRow.number == 2).values(accepted=turned, decision=decision))
    (fault,) = verify_archive(archive_of(tested))
    assert fault == f"gate test 2: it was {'accepted' if turned else 'refused'} against its own rule"


def test_a_score_that_was_changed_is_named(tested: Runtime) -> None:
    row = tested.evolution.tables.gates()[0]
    _write(
        tested,
        update(EvaluationRow)
        .where(EvaluationRow.variant == row.variant, EvaluationRow.split == "gate")
        .values(score=0.5),
    )
    faults = verify_archive(archive_of(tested))
    assert any(
        f.startswith("gate test 1: the scores give another result than was recorded: candidate 0.5")
        for f in faults
    ), faults


def test_another_row_than_the_train_scores_say_is_named(tested: Runtime) -> None:
    row = tested.evolution.tables.gates()[0]
    told = not row.decision["promising"]
    place, level = level_of([], GateDecision.model_validate({**row.decision, "promising": told}), 0.05)
    assert tested.runs.get(row.run_id).config["options"]["alpha"] == 0.05
    decision = {**row.decision, "promising": told, "place": place, "alpha": level}
    _write(tested, update(GateRow).where(GateRow.number == 1).values(decision=decision))
    faults = verify_archive(archive_of(tested))
    assert faults[0].startswith("gate test 1: by its train scores it was "), faults
    assert sum("by its train scores" in fault for fault in faults) == 1


def test_train_scores_that_were_changed_are_named_where_they_settled_the_row(tested: Runtime) -> None:
    row = tested.evolution.tables.gates()[0]
    assert row.decision["promising"]
    _write(
        tested,
        update(EvaluationRow)
        .where(EvaluationRow.variant == row.variant, EvaluationRow.split == "train")
        .values(score=0.0),
    )
    faults = verify_archive(archive_of(tested))
    assert (
        "gate test 1: by its train scores it was not promising, recorded is that it was promising"
        in faults[0]
    )


def test_train_scores_that_came_later_settle_nothing(tested: Runtime) -> None:
    row = tested.evolution.tables.gates()[0]
    usage = Usage().model_dump()
    later = {
        "split": "train",
        "score": 0.0,
        "passed": False,
        "status": "failed",
        "usage": usage,
        "run_id": "later",
    }
    for variant in (row.variant, row.incumbent):
        more = {**later, "context": row.context, "variant": variant, "task_id": "new", "created_at": "9999"}
        _write(tested, insert(EvaluationRow).values(**more))
    assert verify_archive(archive_of(tested)) == []


def test_another_alpha_of_the_run_is_named(tested: Runtime) -> None:
    run_id = tested.evolution.tables.gates()[0].run_id
    row = tested.runs.get(run_id)
    config = {**row.config, "options": {**row.config["options"], "alpha": 0.01}}
    _write(tested, update(RunRow).where(RunRow.id == run_id).values(config=config))
    faults = verify_archive(archive_of(tested))
    assert len(faults) == len(tested.evolution.tables.gates())
    assert all("its level by the rules is" in fault for fault in faults)


def _write(runtime: Runtime, statement: Any) -> None:
    with runtime.evolution.tables.engine.begin() as connection:
        connection.execute(statement)
