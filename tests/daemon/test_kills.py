"""`kill -9` at random moments under load: nothing acknowledged is lost, no effect happens twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.daemon_kills import kills


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_and_nothing_happens_twice(tmp_path: Path) -> None:
    found = kills(tmp_path, cycles=5, seed=7)
    assert found["acknowledged"] > 5
    assert found["states"] == {"finished": found["acknowledged"]}
    for fault in ("lost", "dead_without_reason", "effects_twice", "finished_without_effect"):
        assert found[fault] == [], found
    assert found["killed_while_serving"] > 0
    assert found["drained"]
