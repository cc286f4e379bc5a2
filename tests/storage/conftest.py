"""What tests of the storage share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.storage.living import Living

from evolvent.storage import GenomeStore


@pytest.fixture
def store(tmp_path: Path) -> GenomeStore:
    return GenomeStore(tmp_path / "genomes.git")


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Living]:
    with ExitStack() as stack:
        yield Living(tmp_path / "living", stack)
