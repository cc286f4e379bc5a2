"""The daemon's state as Prometheus metrics, beside those that plugins keep in the default registry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest

from evolvent.daemon.service import Daemon
from evolvent.types import DaemonStatus

__all__ = ["metrics_text"]


def metrics_text(daemon: Daemon) -> str:
    """Return all metrics in Prometheus' text format."""
    own = CollectorRegistry(auto_describe=False)
    own.register(_Now(daemon))
    return generate_latest(own).decode() + generate_latest(REGISTRY).decode()


class _Now:
    """Collects what holds at the moment of the question, so that nothing is counted twice after a restart."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def collect(self) -> Iterator[Metric]:
        """Yield the daemon's metrics."""
        status = self._daemon.status()
        jobs = GaugeMetricFamily("evolvent_daemon_jobs", "Jobs by state.", labels=["state"])
        for state, count in status.jobs.items():
            jobs.add_metric([state.value], count)
        yield jobs
        state_names = get_args(DaemonStatus.model_fields["state"].annotation)
        states = GaugeMetricFamily(
            "evolvent_daemon_state", "1 for the state that it is in.", labels=["state"]
        )
        for name in state_names:
            states.add_metric([name], float(name == status.state))
        yield states
        used = GaugeMetricFamily("evolvent_daemon_budget_used", "Used since midnight UTC.", labels=["budget"])
        limits = GaugeMetricFamily(
            "evolvent_daemon_budget_limit", "What may be used in a day; absent: unbounded.", labels=["budget"]
        )
        for budget in status.budgets:
            used.add_metric([budget.name], budget.used)
            if budget.limit is not None:
                limits.add_metric([budget.name], budget.limit)
        yield used
        yield limits
        open_ = len(self._daemon.runtime.approvals.list(limit=1000))
        yield GaugeMetricFamily(
            "evolvent_daemon_approvals_open", "Questions that nobody has answered.", value=open_
        )
