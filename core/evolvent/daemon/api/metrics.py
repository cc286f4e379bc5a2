"""The daemon's state as Prometheus metrics, beside those that plugins keep in the default registry."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from typing import get_args

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest

from evolvent.daemon.service import Daemon
from evolvent.types import DaemonStatus

__all__ = ["metrics_text"]


def metrics_text(daemon: Daemon, streams: int = 0) -> str:
    """Return all metrics in Prometheus' text format.

    Args:
        daemon: the daemon.
        streams: streams of events that are open.
    """
    own = CollectorRegistry(auto_describe=False)
    own.register(_Now(daemon, streams))
    return generate_latest(own).decode() + generate_latest(REGISTRY).decode()


class _Now:
    """Collects what holds at the moment of the question, so that nothing is counted twice after a restart."""

    def __init__(self, daemon: Daemon, streams: int) -> None:
        self._daemon, self._streams = daemon, streams

    def collect(self) -> Iterator[Metric]:
        """Yield the daemon's metrics."""
        status = self._daemon.status()
        jobs = GaugeMetricFamily("evolvent_daemon_jobs", "Jobs by state.", labels=["state"])
        for state, count in status.jobs.items():
            jobs.add_metric([state.value], count)
        yield jobs
        yield _gauge(
            "queue_age_seconds",
            "Since the oldest job was handed in that could be begun now; 0: none waits.",
            self._daemon.queue.oldest_waits(),
        )
        yield _one_of("state", "1 for the state that it is in.", status)
        yield _one_of("model", "1 for how the model is: its circuit breaker.", status)
        used = GaugeMetricFamily("evolvent_daemon_budget_used", "Used since midnight UTC.", labels=["budget"])
        limits = GaugeMetricFamily(
            "evolvent_daemon_budget_limit", "What may be used in a day; absent: unbounded.", labels=["budget"]
        )
        left = GaugeMetricFamily(
            "evolvent_daemon_budget_left", "What is left of it today; absent: unbounded.", labels=["budget"]
        )
        for budget in status.budgets:
            used.add_metric([budget.name], budget.used)
            if budget.limit is not None:
                limits.add_metric([budget.name], budget.limit)
                left.add_metric([budget.name], max(0.0, budget.limit - budget.used))
        yield used
        yield limits
        yield left
        ended = CounterMetricFamily(
            "evolvent_sandbox_calls",
            "What ran in the sandbox, by how it ended.",
            labels=["what", "outcome", "limit"],
        )
        for labels, count in self._daemon.runtime.sandbox_outcomes.counts().items():
            ended.add_metric(labels, count)
        yield ended
        open_ = len(self._daemon.runtime.approvals.list(limit=1000))
        yield _gauge("approvals_open", "Questions that nobody has answered.", open_)
        yield _gauge("event_streams", "Streams of events that are open.", self._streams)
        free = shutil.disk_usage(self._daemon.runtime.home.path).free
        yield _gauge("disk_free_bytes", "Free on the disk of the home.", free)
        if status.last_backup is not None:
            made = datetime.fromisoformat(status.last_backup).timestamp()
            yield _gauge(
                "last_backup_timestamp_seconds",
                "When the newest backup was made, Unix time; absent: never.",
                made,
            )


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"evolvent_daemon_{name}", what, value=value)


def _one_of(field: str, what: str, status: DaemonStatus) -> Metric:
    """Return a metric that is 1 for the value that a field has, and 0 for all others that it can have."""
    found = GaugeMetricFamily(f"evolvent_daemon_{field}", what, labels=["state"])
    for name in get_args(DaemonStatus.model_fields[field].annotation):
        found.add_metric([name], float(name == getattr(status, field)))
    return found
