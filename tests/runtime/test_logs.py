"""Logs are JSON lines with run ids."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from evolvent import Runtime
from evolvent.testing import ScriptedModel


def test_a_run_is_logged_as_json_lines(own_home: Path) -> None:
    with Runtime.open(chat_model=ScriptedModel(script=["42"])) as runtime:
        run_id = runtime.solve("What is 6*7?").run_id
    lines = [json.loads(line) for line in (own_home / "logs" / "evolvent.log").read_text().splitlines()]
    mine = [line for line in lines if line.get("run_id") == run_id]
    assert [line["event"] for line in mine] == ["run.started", "run.finished"]
    assert mine[-1]["usage"]["model_calls"] == 1
    assert {"level", "logger", "timestamp"} <= set(mine[0])


def test_a_closed_runtime_logs_no_more(own_home: Path) -> None:
    before = list(logging.getLogger("evolvent").handlers)
    with Runtime.open(chat_model=ScriptedModel(script=[])):
        assert len(logging.getLogger("evolvent").handlers) == len(before) + 1
    assert logging.getLogger("evolvent").handlers == before


def test_the_embedding_program_is_not_flooded(own_home: Path) -> None:
    heard: list[logging.LogRecord] = []

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record)

    handler = Heard()
    logging.getLogger().addHandler(handler)
    try:
        with Runtime.open(chat_model=ScriptedModel(script=["42"])) as runtime:
            runtime.solve("What is 6*7?")
    finally:
        logging.getLogger().removeHandler(handler)
    assert [record for record in heard if record.name.startswith("evolvent")] == []
