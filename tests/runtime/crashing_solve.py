"""Solves one task with a scripted model and, where told to, kills itself: run by `test_crash.py`.

`KILL_AT` is `node:N` (after the N-th node did its work, before its checkpoint), `checkpoint:N` (after the N-th
checkpoint of a node), `broker:N` (after the N-th answer of the broker was written) or `before-model:N`.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage

from evolvent import Runtime, Task
from evolvent.memory.episodes import content_digest
from evolvent.testing import ScriptedModel
from evolvent.types import BrokerAnswered, Event, NodeFinished

KIND, _, NUMBER = os.environ.get("KILL_AT", "").partition(":")
counts: dict[str, int] = {}
answered = Path(os.environ["EVOLVENT_HOME"]) / "model-answered"
"""One byte for each answer of the model: paid for, over all processes."""


def reached(kind: str) -> None:
    """Die here if this is the place."""
    counts[kind] = counts.get(kind, 0) + 1
    if kind == KIND and counts[kind] == int(NUMBER):
        os.kill(os.getpid(), signal.SIGKILL)


def hear(event: Event) -> None:
    """Watch the ledger."""
    if isinstance(event, NodeFinished):
        reached("node")
    elif isinstance(event, BrokerAnswered):
        reached("broker")


def answer(messages: list[BaseMessage]) -> str:
    """Answer wrongly first and rightly when there is feedback."""
    reached("before-model")
    with answered.open("ab") as paid:
        paid.write(b".")
    return "42" if "was not right" in str(messages[-1].content) else "41"


def main() -> None:
    """Solve, and print what there is afterwards."""
    task = Task(prompt="What is 6*7?", evaluator="exact", reference="42")
    with Runtime.open(chat_model=ScriptedModel(script=answer)) as runtime:
        runtime.ledger.listen(hear)
        put = runtime.checkpoints.put

        def counted(config: Any, checkpoint: Any, metadata: Any, versions: Any) -> Any:
            written = put(config, checkpoint, metadata, versions)
            if metadata.get("source") == "loop" and metadata.get("step", 0) > 0:
                reached("checkpoint")
            return written

        runtime.checkpoints.put = counted  # type: ignore[method-assign]
        result = runtime.solve(task, run_id="r-1").model_dump(mode="json")
        print(
            json.dumps(
                {
                    "result": without_seconds(result),
                    "model_calls": len(answered.read_bytes()),
                    "attempts": [a.id for a in runtime.runs.attempts("r-1")],
                    "episodes": episode_hashes(runtime),
                    "events": sorted(event.key for event in runtime.ledger.events("r-1")),
                    "lessons": [lesson.text for lesson in runtime.lessons.all()],
                    "run": runtime.runs.get("r-1").status,
                }
            )
        )


def episode_hashes(runtime: Runtime) -> list[str]:
    """Return the content hash of each episode; reading one checks it."""
    return [content_digest(runtime.memory.episodes.get(e)) for e in runtime.memory.episodes.of_run("r-1")]


def without_seconds(value: Any) -> Any:
    """Leave durations out: two runs never agree on them."""
    if isinstance(value, dict):
        return {key: without_seconds(item) for key, item in value.items() if key != "seconds"}
    if isinstance(value, list):
        return [without_seconds(item) for item in value]
    return value


if __name__ == "__main__":
    main()
