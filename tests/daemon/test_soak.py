"""A daemon under everything at once, watched from outside: nothing is lost, done twice, or left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench.daemon_evolving import evolving
from bench.daemon_soak import SOUGHT, soak
from bench.from_outside import files_of, growth, held, tree


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_daemon_that_does_everything_at_once_leaves_nothing_behind(tmp_path: Path) -> None:
    found = soak(tmp_path, minutes=0.3, warm_up=0.2, every=3.0, rate=2.0)
    assert found["faults"] == []
    assert found["all_ended"]
    assert found["jobs"]["dead"] == found["jobs"]["waiting"] == 0
    assert found["did"]["jobs"] > 5
    assert found["did"]["pages"] > 0
    assert found["did"]["backups by hand"] > 0
    assert found["tool_not_called"] == found["tool_called_twice"] == []
    assert (found["exit_code"], found["left_in_tmp"]) == (0, [])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_jobs_that_are_handed_in_while_evolution_runs_are_all_done_once(tmp_path: Path) -> None:
    found = evolving(tmp_path, jobs=20, threads=4, rate=2.0)
    assert found["states"] == {"finished": 20}
    for fault in ("lost", "twice", "not_asked_for", "two_jobs_for_a_key"):
        assert found[fault] == [], found
    assert found["evolution_at_work_when_handed_in"] > 0
    assert found["exit_code"] == 0


def test_growth_compares_the_first_quarter_with_the_last() -> None:
    samples = [{"much": 100.0 + number, "none": 0.0} for number in range(12)]
    found = growth(samples, ["much", "none"])
    assert found["much"] == {
        "first": 101.0, "last": 110.0, "growth_percent": 8.91, "first_lowest": 100.0, "last_lowest": 109.0
    }  # fmt: skip
    assert found["none"] is not None
    assert found["none"]["growth_percent"] == 0.0


def test_containers_are_counted_where_an_engine_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    (tmp_path / "home").mkdir()
    sample = held(os.getpid(), tmp_path / "home", tmp_path)
    assert sample["containers"] is None
    assert sample["processes"] is not None
    found = growth([sample] * 8, SOUGHT)
    assert found["containers"] is None
    grown = growth([{"containers": number} for number in (None, 1, 1, 2, 2, 3, 3, 4)], ["containers"])
    assert grown["containers"] == {
        "first": 1, "last": 3.5, "growth_percent": 250.0, "first_lowest": 1, "last_lowest": 3
    }  # fmt: skip
    assert "containers" in SOUGHT


def test_a_process_is_seen_with_all_that_descend_from_it(tmp_path: Path) -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert len(tree(process.pid)) == 2
        assert set(tree(process.pid)) <= set(tree(os.getpid()))
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("12345")
    assert files_of(tmp_path) == (2, 5)
