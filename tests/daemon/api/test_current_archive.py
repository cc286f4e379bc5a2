"""Readers see the archive grow, and do not have it read all the time."""

from __future__ import annotations

from typing import Any

import pytest
from tests.daemon.api.serving import fill

from evolvent.daemon.api import current_archive
from evolvent.daemon.api.current_archive import CurrentArchive
from evolvent.errors import UsageError
from evolvent.storage.archive import StoredVariant


@pytest.fixture
def now() -> list[float]:
    return [100.0]


def test_a_home_without_an_archive_says_how_to_begin(open_runtime: Any) -> None:
    with pytest.raises(UsageError, match="evolvent evolve SUITE"):
        CurrentArchive(open_runtime()).get()


def test_it_is_read_anew_when_it_has_grown_and_a_share_of_the_time_has_passed(
    open_runtime: Any, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = open_runtime()
    first, _ = fill(runtime).variants
    reads: list[int] = []

    class Slow(current_archive.Archive):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            reads.append(1)
            now[0] += 0.5

    monkeypatch.setattr(current_archive, "Archive", Slow)
    current = CurrentArchive(runtime, clock=lambda: now[0])
    assert len(current.get()) == 2
    genomes = runtime.evolution.genomes
    made = genomes.add({**genomes.files(first), "prompts/x.md": "x\n"}, (first,), "x")
    runtime.evolution.tables.add_variants(
        [StoredVariant(made, genomes.tree(made), (first,), 1, "e", "meta-agent", "x")]
    )
    now[0] += 4.9
    assert len(current.get()) == 2
    now[0] += 0.2
    assert len(current.get()) == 3
    now[0] += 100.0
    assert current.get() is current.get()
    assert len(reads) == 2
