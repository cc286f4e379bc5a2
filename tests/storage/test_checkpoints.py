"""What a checkpoint keeps is what was put into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.base import empty_checkpoint

from evolvent.storage.checkpoints import open_checkpoints
from evolvent.types import Attempt, Budget, Split, Task

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


serde = open_checkpoints(Path(":memory:")).serde


@given(inner=values)
def test_integers_of_any_length_come_back_as_they_were(inner: Any) -> None:
    task = Task(prompt="p", inputs={"n": inner}, evaluator="exact", reference=2**100)
    attempt = Attempt(id="r#1", run_id="r", task=task.view(), number=1, answer=inner, status="answered")
    state = {
        "task": task,
        "attempts": [attempt],
        "split": Split.TRAIN,
        "budget": Budget(),
        "n": (2**64, -(2**64)),
    }
    back = serde.loads_typed(serde.dumps_typed(state))
    assert back["task"] == task
    assert back["attempts"] == [attempt]
    assert back["attempts"][0].answer == inner
    assert (back["split"], back["budget"], list(back["n"])) == (Split.TRAIN, Budget(), [2**64, -(2**64)])


def test_forgetting_a_run_forgets_its_parts_and_nobody_elses(tmp_path: Path) -> None:
    saver = open_checkpoints(tmp_path / "checkpoints.db")
    names = ("r-1", "r-1/1", "r-1/anew-2/3", "r-10", "r-1-x", "r-1.x", "r-2", "r-2/1")
    for name in names:
        config = {"configurable": {"thread_id": name, "checkpoint_ns": ""}}
        saved = saver.put(config, empty_checkpoint(), {}, {})  # type: ignore[arg-type]
        saver.put_writes(saved, [("channel", 1)], "task")
    saver.forget_run("r-1")
    left = {found.config["configurable"]["thread_id"] for found in saver.list(None)}
    assert left == {"r-10", "r-1-x", "r-1.x", "r-2", "r-2/1"}
    with saver.cursor(transaction=False) as cursor:
        assert {name for (name,) in cursor.execute("SELECT thread_id FROM writes")} == left
    saver.conn.close()
