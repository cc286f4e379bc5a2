"""The repository of agent programs is packed while evolution goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.evolution.world import Step, World, archive_of

from evolvent import Runtime
from evolvent.evolution.verification import verify_archive
from evolvent.practice import EvolveJob, evolving
from evolvent.practice.packing import Packing
from evolvent.storage import GenomeStore
from evolvent.types import EvolveOptions

FILES = {"genome.toml": "# 1\n"}


@pytest.fixture
def packs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have packs wait for `go`, and count them as they begin."""

    class Packs:
        go = threading.Event()
        begun = threading.Semaphore(0)
        count = 0

    real = GenomeStore.pack

    def pack(self: GenomeStore, stop: threading.Event | None = None) -> int:
        Packs.count += 1
        Packs.begun.release()
        while not Packs.go.wait(0.01):
            if stop is not None and stop.is_set():
                break
        return real(self, stop)

    monkeypatch.setattr(GenomeStore, "pack", pack)
    return Packs


def test_a_run_packs_and_loses_nothing(
    open_world: Callable[..., Runtime],
    options: Callable[..., EvolveOptions],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evolving, "PACK_EVERY", 1)
    runtime = open_world(world=World(step=Step((6, 1, 2))))
    report = EvolveJob(runtime, "sums", options(level=3, generations=4)).run()
    assert (report.status, report.accepted) == ("finished", 1)
    genomes = runtime.evolution.genomes
    assert list(genomes.path.glob("objects/pack/*.pack"))
    assert verify_archive(archive_of(runtime)) == []
    assert GenomeStore(genomes.path).active() == report.active


def test_evolution_goes_on_meanwhile_and_leaving_ends_it(
    open_world: Callable[..., Runtime],
    options: Callable[..., EvolveOptions],
    monkeypatch: pytest.MonkeyPatch,
    packs: Any,
) -> None:
    monkeypatch.setattr(evolving, "PACK_EVERY", 1)
    runtime = open_world(world=World(step=Step((6, 1, 2))))
    report = EvolveJob(runtime, "sums", options(level=3, generations=4)).run()
    assert report.status == "finished"
    assert packs.count == 1, "the first one was still at work"
    assert [t for t in threading.enumerate() if t.name.startswith("evolvent-packing")] == []
    assert verify_archive(archive_of(runtime)) == []


def test_what_went_wrong_is_told_the_next_time_or_at_the_end(tmp_path: Path) -> None:
    store = GenomeStore(tmp_path / "genomes.git")
    store.add(FILES)
    (tmp_path / "genomes.git" / "objects" / "pack").rmdir()
    (tmp_path / "genomes.git" / "objects" / "pack").touch()

    def again() -> None:
        with Packing(store.path) as packing:
            packing.begin()
            while not packing._last.done():  # type: ignore[union-attr]
                pass
            packing.begin()

    with pytest.raises(Exception, match="pack"):
        again()

    def once() -> None:
        with Packing(store.path) as packing:
            packing.begin()

    with pytest.raises(Exception, match="pack"):
        once()
    assert store.files(next(iter(store))) == FILES
