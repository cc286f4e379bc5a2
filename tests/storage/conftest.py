"""What tests of the storage share."""

from __future__ import annotations

from pathlib import Path

import pytest

from evolvent.storage import GenomeStore


@pytest.fixture
def store(tmp_path: Path) -> GenomeStore:
    return GenomeStore(tmp_path / "genomes.git")
