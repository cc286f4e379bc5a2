"""What the archive shows is kept up to date: at each moment it is what a new reader of the database sees."""

from random import Random

import pytest

from evolvent.evolution.archive import Archive
from evolvent.storage import open_database
from evolvent.storage.archive import UNMEASURED, ArchiveTables, StoredVariant
from evolvent.types import Candidate, Evaluation, Split, Usage


@pytest.fixture
def archive(tmp_path):
    tables = ArchiveTables(open_database(tmp_path / "evolvent.db"))
    yield Archive(tables, None, "context", {"t0": "small", "t1": "large"})
    tables.engine.dispose()


def fresh(archive):
    return Archive(archive.tables, archive.genomes, archive.context, {"t0": "small", "t1": "large"})


def same(archive):
    """Compare with a reader that begins anew, in everything that policies and reports see."""
    anew = fresh(archive)
    assert archive.variants() == anew.variants()
    ours, theirs = archive.tried(), anew.tried()
    assert ours == theirs
    assert ours.viable == theirs.viable
    for column in ("scores", "trials", "passed", "children"):
        assert getattr(ours, column).tolist() == getattr(theirs, column).tolist(), column
    measured = [v for v in anew.variants() if v.viable and v.trials]
    best = max(measured, key=lambda v: (v.score, v.trials), default=None)
    assert archive.best() == anew.best() == (best.id if best else None)


def stored(name, parents=()):
    return StoredVariant(name, f"tree-{name}", parents, 0, "run", "step", "", viable=False, reason=UNMEASURED)


def evaluation(variant, task, score):
    return Evaluation(
        variant=variant,
        split=Split.TRAIN,
        task_id=task,
        score=score,
        passed=score > 0.5,
        status="solved",
        usage=Usage(),
    )


def rejected(number, parent):
    return Candidate(
        key=f"run/1/{number}",
        generation=1,
        slot=number,
        action="expand",
        parent=parent,
        operator="step",
        status="rejected",
        stage="check",
        reason="no",
    )


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_the_view_is_what_is_stored(archive, seed):
    rng = Random(seed)
    archive.add([stored("v0")])
    archive.judge("v0", True, "")
    names = ["v0"]
    for number in range(60):
        move = rng.choice(("born", "born", "measured", "judged", "rejected", "looked"))
        if move == "born":
            new = [f"v{number}-{n}" for n in range(1, rng.randrange(2, 5))]
            for name in rng.sample(new, len(new)):  # measured before they are stored, in any order
                archive.record("run", [evaluation(name, "t0", rng.randrange(3) / 2)])
            archive.add(stored(name, (rng.choice(names),)) for name in new)
            if rng.random() < 0.5:
                same(archive)
            for name in new:
                archive.judge(name, *rng.choice(((True, ""), (False, "bad"), (False, f"{UNMEASURED}down"))))
            names += new
        elif move == "measured":
            task = rng.choice(("t0", "t1"))
            archive.record("run", [evaluation(rng.choice(names), task, rng.randrange(3) / 2)])
        elif move == "judged":
            archive.judge(rng.choice(names[1:] or names), *rng.choice(((True, ""), (False, "bad"))))
        elif move == "rejected":
            archive.decided([rejected(number, rng.choice(names))])
            archive.decided([rejected(number, rng.choice(names))])
        if move == "looked" or rng.random() < 0.3:
            same(archive)
    same(archive)


def test_what_policies_plan_does_not_stay(archive):
    archive.add([stored("v0")])
    archive.judge("v0", True, "")
    archive.tried().attempt(archive.variant("v0").model_copy(update={"id": "plan", "parents": ("v0",)}))
    assert archive.tried().children.tolist() == [0.0]
    same(archive)


def test_a_variant_that_is_measured_at_last_takes_its_own_place(archive):
    archive.add([stored("v0"), stored("v1", ("v0",)), stored("v2", ("v0",))])
    for name in ("v0", "v2"):
        archive.judge(name, True, "")
    assert [v.id for v in archive.tried()] == ["v0", "v2"]
    archive.judge("v1", True, "")
    assert [v.id for v in archive.tried()] == ["v0", "v1", "v2"]
    same(archive)
