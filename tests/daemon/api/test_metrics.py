"""The metrics after real work: what they say, how they are named, and that the docs name each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.daemon.api.serving import Serve

from evolvent.storage.backups import back_up
from evolvent.types import JobMoved, JobState, VariantDecided
from evolvent_plugins import metrics
from evolvent_plugins.metrics.collectors import MAX_NAMES, Metrics

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "observe.md"


@pytest.fixture(autouse=True)
def from_zero() -> Any:
    metrics.live.cache_clear()
    yield
    metrics.live.cache_clear()


def families(text: str) -> dict[str, Any]:
    return {
        family.name: family
        for family in text_string_to_metric_families(text)
        if family.name.startswith("evolvent_") and not family.name.endswith("_created")
    }


def value(family: Any, **labels: str) -> float:
    (found,) = (
        sample.value
        for sample in family.samples
        if sample.labels == labels and not sample.name.endswith("_created")
    )
    return found  # type: ignore[no-any-return]


def test_the_metrics_after_work_and_what_the_docs_say_of_them(serve: Serve) -> None:
    served = serve(daemon_day_tokens=1000)
    client = served.client("submit")
    served.ended(client.post("/jobs", json={"payload": {"prompt": "x"}}).json()["id"])
    back_up(served.runtime.home)
    served.runtime.plugins.flush()
    found = families(client.get("/metrics").text)

    assert value(found["evolvent_daemon_model"], state="up") == 1
    assert value(found["evolvent_daemon_model"], state="down") == 0
    assert value(found["evolvent_daemon_queue_age_seconds"]) == 0
    used = value(found["evolvent_daemon_budget_used"], budget="tokens")
    assert value(found["evolvent_daemon_budget_left"], budget="tokens") == 1000 - used
    assert value(found["evolvent_daemon_disk_free_bytes"]) > 0
    assert value(found["evolvent_daemon_event_streams"]) == 0
    assert value(found["evolvent_daemon_last_backup_timestamp_seconds"]) > 1.6e9
    assert value(found["evolvent_job_moves"], kind="solve", state="finished") == 1
    counted = {
        sample.name: sample.value
        for sample in found["evolvent_job_seconds"].samples
        if "le" not in sample.labels
    }
    assert counted["evolvent_job_seconds_count"] == 1
    assert 0 < counted["evolvent_job_seconds_sum"] < 100

    rows = re.findall(r"^\| `(evolvent_\w+)` \| ([\w, ]*)\|", PAGE.read_text(), re.MULTILINE)
    documented = {name: set(re.findall(r"\w+", labels)) for name, labels in rows}
    assert set(documented) == set(found)
    for name, family in found.items():
        assert family.documentation, name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} <= documented[name], name
        if family.type == "histogram":
            assert name.endswith("_seconds")
        assert not re.search(r"_(ms|minutes|hours|kb|mb)$", name), "base units only"


def test_the_queue_has_an_age_while_jobs_wait(serve: Serve) -> None:
    served = serve(work=False)
    client = served.client("submit")
    client.post("/jobs", json={"payload": {"prompt": "x"}})
    found = families(client.get("/metrics").text)
    assert 0 < value(found["evolvent_daemon_queue_age_seconds"]) < 60
    assert "evolvent_daemon_last_backup_timestamp_seconds" not in found
    assert not found["evolvent_daemon_budget_left"].samples


def test_values_of_labels_are_bounded() -> None:
    counted = Metrics()
    for number in range(3 * MAX_NAMES):
        given: dict[str, Any] = {"key": f"k{number}", "job_id": f"j{number}", "job_kind": f"kind-{number}"}
        counted.count(JobMoved(state=JobState.RUNNING, **given))
        counted.count(JobMoved(state=JobState.FINISHED, **given))
        counted.count(
            VariantDecided(
                key="v",
                variant="",
                parent="p",
                operator="o",
                reason="",
                status=f"s{number}",
                stage=f"t{number}",
            )
        )
    found = families(counted.text())
    kinds = {sample.labels["kind"] for sample in found["evolvent_job_moves"].samples}
    assert len(kinds) == MAX_NAMES + 1
    assert "other" in kinds
    assert value(found["evolvent_variants_decided"], status="other", stage="other") == 2 * MAX_NAMES


def test_a_job_that_is_begun_and_never_ends_is_forgotten() -> None:
    counted = Metrics()
    for number in range(2_000):
        counted.count(JobMoved(key="k", job_id=f"j{number}", job_kind="solve", state=JobState.RUNNING))
    assert len(counted._begun) <= 1_000
