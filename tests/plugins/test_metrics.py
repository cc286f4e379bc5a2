"""The metrics: what they count of real runs, what they print of a home, and what the panel shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import typer
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from evolvent import Runtime, Settings
from evolvent.plugins import PluginHost
from evolvent.protocols import Panel
from evolvent.storage import Ledger, open_database
from evolvent.testing import ScriptedModel
from evolvent.types import (
    BrokerAnswered,
    Event,
    LessonKept,
    NodeFinished,
    PluginFailed,
    ReplayDiverged,
    RunFinished,
    RunStarted,
    SkillDecided,
    Split,
    Task,
    Usage,
)
from evolvent_plugins import metrics
from evolvent_plugins.metrics import activity
from evolvent_plugins.metrics.activity import Activity
from evolvent_plugins.metrics.collectors import MAX_NAMES, Metrics


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Return the samples of an exposition: name and values of labels to value."""
    return {
        (sample.name.removeprefix("evolvent_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@pytest.fixture
def host() -> Iterator[PluginHost]:
    """The installed plugins and this one, with nothing counted yet."""
    metrics.live.cache_clear()
    host = PluginHost([entry for entry in entry_points(group="evolvent") if entry.name != "metrics"])
    host.add(metrics, "metrics")
    yield host
    metrics.live.cache_clear()


def command(host: PluginHost) -> typer.Typer:
    app = typer.Typer()
    app.command("metrics")(host.commands.get("metrics"))
    return app


def test_what_is_counted_is_what_the_runs_used(host: PluginHost) -> None:
    task = Task(prompt="6*7?", evaluator="exact", reference="42", split=Split.GATE)
    with Runtime(Settings(), plugins=host, model=ScriptedModel(script=["41", "42", "free"])) as runtime:
        failed = runtime.solve(task)
        solved = runtime.solve(task.model_copy(update={"id": "again"}))
        runtime.solve("Anything?")
        results = [failed, solved]
        ledger = list(runtime.ledger.events())
        runs = [event for event in ledger if isinstance(event, RunFinished)]
    counted = samples(metrics.live().text())
    assert {result.status for result in results} == {"solved", "failed"}
    for status in ("solved", "failed", "answered"):
        assert counted["solves_total", status] == sum(run.status == status for run in runs)
    used = sum((run.usage for run in runs), Usage())
    assert used.model_calls
    assert used.input_tokens
    assert counted["model_calls_total",] == used.model_calls
    assert counted["tokens_total", "in"] == used.input_tokens
    assert counted["tokens_total", "out"] == used.output_tokens
    assert counted["dollars_total",] == pytest.approx(used.dollars)
    for kind in {event.kind for event in ledger}:
        assert counted["events_total", kind] == sum(event.kind == kind for event in ledger)
    answered = [event for event in ledger if isinstance(event, BrokerAnswered)]
    asked = {(event.method, "true" if event.ok else "false") for event in answered}
    assert {key[1:] for key in counted if key[0] == "broker_requests_total"} == asked
    nodes = [event for event in ledger if isinstance(event, NodeFinished)]
    assert {event.node for event in nodes} >= {"recall", "solve", "verify", "finish"}
    for name in {event.node for event in nodes}:
        seconds = [event.seconds for event in nodes if event.node == name]
        assert counted["node_seconds_count", name] == len(seconds)
        assert counted["node_seconds_sum", name] == pytest.approx(sum(seconds))

    # The command counts the same from the ledger, and again the same: it writes nothing.
    for _ in range(2):
        printed = CliRunner().invoke(command(host), [])
        assert printed.exit_code == 0, printed.output
        assert samples(printed.stdout) == pytest.approx(counted)


def test_the_command_reads_a_home_that_another_process_writes_to(host: PluginHost) -> None:
    with Runtime(Settings(), plugins=host, model=ScriptedModel(script=["42"])) as runtime:
        runtime.solve("What?")
        printed = CliRunner().invoke(command(host), [])
        assert samples(printed.stdout)["solves_total", "answered"] == 1


def test_a_home_that_is_not_there_counts_nothing_and_stays_away(host: PluginHost, own_home: Path) -> None:
    printed = CliRunner().invoke(command(host), [])
    assert printed.exit_code == 0
    found = samples(printed.stdout)
    assert found["tokens_total", "in"] == 0
    assert set(found.values()) == {0}
    assert "nothing is counted yet" in printed.stderr.replace("\n", " ")
    assert not own_home.exists()


def test_a_damaged_database_is_an_error_in_words(host: PluginHost, own_home: Path) -> None:
    own_home.mkdir()
    (own_home / "evolvent.db").write_bytes(b"no database " * 1000)
    printed = CliRunner().invoke(command(host), [])
    assert printed.exit_code == 1
    assert "cannot be read as a database" in printed.stderr
    assert printed.stdout == ""


def test_every_kind_of_event_is_counted() -> None:
    counters = Metrics()
    usage = Usage(input_tokens=5, output_tokens=3, model_calls=1, dollars=0.25, seconds=9)
    for event in (
        RunStarted(key="1", job="solve", title=""),
        NodeFinished(key="2", node="solve", seconds=2.0),
        BrokerAnswered(key="3", attempt_id="a", method="model.complete", ok=True, usage=usage),
        BrokerAnswered(key="4", attempt_id="a", method="tools.call", ok=False),
        ReplayDiverged(key="5", attempt_id="a", sequence=1),
        SkillDecided(key="6", name="s", digest="d", admitted=True, reason=""),
        SkillDecided(key="7", name="t", digest="e", admitted=False, reason=""),
        LessonKept(key="8", lesson_id="l", text=""),
        PluginFailed(key="9", plugin="p", reason=""),
        RunFinished(key="10", status="budget", usage=usage),
        RunFinished(key="11", status="finished", usage=usage),
    ):
        counters.count(event)
    found = {
        key: value for key, value in samples(counters.text()).items() if value and "bucket" not in key[0]
    }
    assert {key: found.pop(key) for key in list(found) if key[0] == "events_total"} == {
        ("events_total", "run.started"): 1,
        ("events_total", "node.finished"): 1,
        ("events_total", "broker.answered"): 2,
        ("events_total", "broker.diverged"): 1,
        ("events_total", "skill.decided"): 2,
        ("events_total", "lesson.kept"): 1,
        ("events_total", "plugin.failed"): 1,
        ("events_total", "run.finished"): 2,
    }
    assert found == {
        ("solves_total", "budget"): 1,
        ("jobs_total",): 1,
        ("model_calls_total",): 1,
        ("tokens_total", "in"): 5,
        ("tokens_total", "out"): 3,
        ("dollars_total",): 0.25,
        ("node_seconds_count", "solve"): 1,
        ("node_seconds_sum", "solve"): 2.0,
        ("skills_decided_total", "true"): 1,
        ("skills_decided_total", "false"): 1,
        ("lessons_kept_total",): 1,
        ("plugin_failures_total", "p"): 1,
        ("broker_requests_total", "model.complete", "true"): 1,
        ("broker_requests_total", "tools.call", "false"): 1,
    }


def test_no_name_that_a_guest_or_plugin_invents_adds_series_for_ever() -> None:
    counters = Metrics()
    for number in range(300):
        name = f'x{number}\n"{{}}\\'
        counters.count(BrokerAnswered(key="", attempt_id="", method=name, ok=False))
        counters.count(NodeFinished(key="", node=name, seconds=0))
        counters.count(PluginFailed(key="", plugin=name, reason=""))
        counters.count(RunFinished(key="", status=name))
    found = samples(counters.text())
    assert found["broker_requests_total", "other", "false"] == 300
    assert found["solves_total", "other"] == 300
    assert found["plugin_failures_total", "other"] == 300 - MAX_NAMES
    assert found["node_seconds_count", "other"] == 300 - MAX_NAMES
    assert len(found) < 1000


class View:
    """A home that holds these events."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events

    def events(self, kind: str | None = None, limit: int = 10_000) -> Sequence[Event]:
        return [event for event in self._events if kind in (None, event.kind)][-limit:]

    def skills(self) -> Sequence[Any]:
        return []


NOW = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)


def finished(status: str, days: float, tokens: int = 10) -> RunFinished:
    at = NOW - timedelta(days=days)
    return RunFinished(key="", status=status, usage=Usage(output_tokens=tokens), at=at)


def test_the_panel_shows_the_last_seven_days() -> None:
    def skill(admitted: bool, days: float) -> SkillDecided:
        at = NOW - timedelta(days=days)
        return SkillDecided(key="", name="s", digest="", admitted=admitted, reason="", at=at)

    shown = Activity(lambda: NOW).show(
        View(
            [
                finished("solved", 30),
                finished("failed", 7),
                finished("solved", 6),
                skill(True, 6),
                finished("answered", 0.5),
                finished("solved", 0),
                finished("solved", 0),
                finished("failed", 0),
                finished("error", 0),
                finished("finished", 0, tokens=1_000_000),
                skill(True, 0),
                skill(False, 0),
                skill(False, 0),
            ]
        )
    )
    assert shown.rows[0] == ("2026-03-01", 4, "67%", 40, 1, 2)
    assert shown.rows[1] == ("2026-02-28", 1, None, 10, 0, 0)
    assert shown.rows[6] == ("2026-02-23", 1, "100%", 10, 1, 0)
    assert [row[0] for row in shown.rows] == [
        (NOW.date() - timedelta(days=back)).isoformat() for back in range(7)
    ]
    assert "left out" not in shown.note


def test_the_panel_says_when_it_does_not_see_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "MAX_EVENTS", 3)
    shown = Activity(lambda: NOW).show(View([finished("solved", 1)] * 4))
    assert shown.rows[1][1] == 3
    assert "Older entries than the newest 3" in shown.note
    assert "left out" not in Activity(lambda: NOW).show(View([finished("solved", 8)] * 4)).note


def test_the_panel_shows_a_real_home(host: PluginHost, own_home: Path) -> None:
    panel = host.panels.get("activity")
    assert isinstance(panel, Panel)
    with Runtime(Settings(), plugins=host, model=ScriptedModel(script=["42"])) as runtime:
        used = runtime.solve("What?").usage
    engine = open_database(own_home / "evolvent.db")
    shown = panel.show(View(list(Ledger(engine).events())))
    engine.dispose()
    assert shown.rows[0][1:] == (1, None, used.tokens, 0, 0)
