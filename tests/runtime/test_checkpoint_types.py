"""Checkpoints are read back as what was written, without a word of warning."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.test_approvals import ONE_CALL, Post, opened  # noqa: F401 - a fixture

from evolvent.graphs import STATE_TYPES, Material, SolveState
from evolvent.graphs.evolve_state import EvolveState
from evolvent.storage.checkpoints import open_checkpoints
from evolvent.types import EvolveOptions, Task, Usage


def test_an_interrupt_and_a_resume_in_another_process_warn_of_nothing(
    opened: Any,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    post = Post()
    with caplog.at_level(logging.WARNING):
        waiting = opened(ONE_CALL, post).solve("send it")
        again = opened(ONE_CALL, post)
        states = list(again.solve_graph.get_state_history({"configurable": {"thread_id": waiting.run_id}}))
        done = again.answer(waiting.pending[0].id, "approve")
    assert states
    assert (done.status, post.sent) == ("answered", ["hello"])
    told = [record.getMessage() for record in caplog.records if "langgraph" in record.name]
    assert told == []


@pytest.mark.parametrize(
    "state",
    [
        SolveState(run_id="r", task=Task(prompt="q"), material=Material()),
        EvolveState(run_id="r", suite="s", options=EvolveOptions(generations=2), begun=Usage(input_tokens=1)),
    ],
    ids=["solve", "evolve"],
)
def test_a_state_is_read_back_as_itself(state: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    saver = open_checkpoints(tmp_path / "checkpoints.db", (*STATE_TYPES, EvolveState))
    with caplog.at_level(logging.WARNING):
        found = saver.serde.loads_typed(saver.serde.dumps_typed(state))
    saver.conn.close()
    assert type(found) is type(state)
    assert json.loads(found.model_dump_json()) == json.loads(state.model_dump_json())
    assert caplog.records == []
