"""Lineages that go elsewhere, and archives that somebody changed."""

from __future__ import annotations

import json
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.evolution.world import Step, World

from evolvent import Runtime
from evolvent.errors import IntegrityError, UsageError
from evolvent.evolution.archive import Archive
from evolvent.evolution.transfer import export_lineage, import_lineage
from evolvent.evolution.verification import verify_archive
from evolvent.practice import EvolveJob
from evolvent.practice.transfer import compare_on
from evolvent.types import EvolveOptions

Open = Callable[..., Runtime]
Options = Callable[..., EvolveOptions]


def archive_of(runtime: Runtime) -> Archive:
    return Archive(runtime.evolution.tables, runtime.evolution.genomes)


@pytest.fixture
def grown(open_world: Open, options: Options) -> Runtime:
    runtime = open_world(world=World(step=Step((6,))))
    report = EvolveJob(runtime, "sums", options(level=3)).run()
    assert report.accepted == 1
    return runtime


def test_a_lineage_goes_elsewhere_as_one_file(grown: Runtime, tmp_path: Path, open_world: Open) -> None:
    archive = archive_of(grown)
    active = grown.evolution.genomes.active()
    assert active
    file = tmp_path / "lineage.tar.gz"
    assert export_lineage(archive, active, file, grown.skills) == 2
    with pytest.raises(UsageError, match="is there already"):
        export_lineage(archive, active, file)
    with pytest.raises(UsageError, match="there is no folder .*nowhere"):
        export_lineage(archive, active, tmp_path / "nowhere" / "line.tar.gz")
    with pytest.raises(UsageError, match=r"must end with .tar.gz"):
        export_lineage(archive, active, tmp_path / "lineage.zip")

    elsewhere = open_world(home=tmp_path / "elsewhere")
    evolution = elsewhere.evolution
    assert import_lineage(evolution.tables, evolution.genomes, file) == (active, 2, 0)
    assert import_lineage(evolution.tables, evolution.genomes, file) == (active, 0, 2)
    assert evolution.genomes.files(active) == grown_files(archive, active)
    there = archive_of(elsewhere)
    assert there.variant(active).trials == 0, "scores stay behind"
    found = compare_on(elsewhere, "sums:50", active, tasks=20)
    assert found.against == there.stored(active).parents[0]
    assert found.comparison.candidate > found.comparison.incumbent
    with pytest.raises(UsageError, match="cannot be compared with itself"):
        compare_on(elsewhere, "sums:50", active, active)


def test_a_run_goes_on_beside_an_imported_lineage(
    grown: Runtime, tmp_path: Path, open_world: Open, options: Options
) -> None:
    archive = archive_of(grown)
    export_lineage(archive, archive.resolve("active"), tmp_path / "line.tar.gz")
    elsewhere = open_world(home=tmp_path / "elsewhere")
    import_lineage(elsewhere.evolution.tables, elsewhere.evolution.genomes, tmp_path / "line.tar.gz")
    asked = options(level=4, max_tokens=0)
    first = EvolveJob(elsewhere, "sums", asked).run()
    again = EvolveJob(elsewhere, "sums", asked).run()
    assert (first.status, again.run_id) == ("budget", first.run_id)


def test_an_evaluation_elsewhere_hides_no_scores(grown: Runtime) -> None:
    known = {v.id: v.score for v in archive_of(grown).variants()}
    best = archive_of(grown).best()
    assert best
    compare_on(grown, "sums:50", best, next(v for v in known if v != best), tasks=5)
    assert {v.id: v.score for v in archive_of(grown).variants()} == known
    assert archive_of(grown).best() == best


def grown_files(archive: Archive, variant: str) -> dict[str, str]:
    return archive.genomes.files(variant)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda root: next(root.rglob("answer.md")).write_text("Another."), "was changed on the way"),
        (lambda root: (next(root.rglob("task_agent.py")).parent / "x.py").write_text(""), "breaks the rules"),
        (lambda root: next(root.rglob("meta_agent.py")).unlink(), "breaks the rules"),
        (lambda root: _edit(root, lambda told: told["variants"].reverse()), "comes before its parent"),
    ],
)
def test_what_was_changed_on_the_way_is_found_out(
    change: Callable[[Path], object], says: str, grown: Runtime, tmp_path: Path, open_world: Open
) -> None:
    file = tmp_path / "lineage.tar.gz"
    export_lineage(archive_of(grown), str(grown.evolution.genomes.active()), file)
    root = tmp_path / "unpacked"
    with tarfile.open(file) as packed:
        for member in packed.getmembers():
            packed.extract(member, root, set_attrs=False)
    change(root)
    again = tmp_path / "again.tar.gz"
    with tarfile.open(again, "w:gz") as packed:
        packed.add(root / "lineage", "lineage")
    evolution = open_world(home=tmp_path / "elsewhere").evolution
    with pytest.raises(IntegrityError, match=says):
        import_lineage(evolution.tables, evolution.genomes, again)
    assert evolution.tables.variants() == []


def _edit(root: Path, change: Callable[[dict[str, list[object]]], object]) -> None:
    path = next(root.rglob("lineage.json"))
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))


def test_a_file_that_is_no_lineage_is_refused(grown: Runtime, tmp_path: Path) -> None:
    file = tmp_path / "other.tar.gz"
    with tarfile.open(file, "w:gz") as packed:
        packed.add(__file__, "test.py")
    with pytest.raises(UsageError, match=r"holds no lineage.json"):
        import_lineage(grown.evolution.tables, grown.evolution.genomes, file)
    with pytest.raises(UsageError, match="there is no file"):
        import_lineage(grown.evolution.tables, grown.evolution.genomes, tmp_path / "nothing.tar.gz")


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("UPDATE evaluations SET score = 0 WHERE split = 'gate'", "the scores give another result"),
        ("UPDATE gates SET accepted = 1 - accepted", "against its own rule"),
        ("UPDATE gates SET number = number + 1", "not numbered one after the other"),
        ("UPDATE variants SET parents = '[]' WHERE generation = 1", "its parents differ"),
        ("UPDATE variants SET generation = 7 WHERE generation = 1", "does not follow its parents'"),
        ("UPDATE variants SET tree = 'x'", "its files are not those that were measured"),
        ("DELETE FROM variants WHERE generation = 0", "a parent is missing"),
    ],
)
def test_an_archive_that_somebody_changed_does_not_verify(
    sql: str, says: str, grown: Runtime, own_home: Path
) -> None:
    assert verify_archive(archive_of(grown)) == []
    with sqlite3.connect(own_home / "evolvent.db") as database:
        database.execute(sql)
    assert any(says in fault for fault in verify_archive(archive_of(grown)))


def test_a_corrupt_commit_is_named_and_does_not_end_the_archive(
    grown: Runtime, own_home: Path, open_world: Open
) -> None:
    archive = archive_of(grown)
    victim = next(v.id for v in archive.variants() if v.parents and v.id != grown.evolution.genomes.active())
    path = own_home / "genomes.git" / "objects" / victim[:2] / victim[2:]
    path.chmod(0o644)
    path.write_bytes(b"rubbish")
    again = open_world()
    archive = archive_of(again)
    assert len(archive) >= 3
    faults = verify_archive(archive)
    assert faults
    assert all(victim[:10] in fault for fault in faults)
    with pytest.raises(IntegrityError):
        archive.genomes.files(victim)
