"""The counters, in a registry of their own.

A value of a label comes from a closed set, or from the first few that are seen; what else comes is `other`. So the
number of time series is bounded, whatever guests and plugins are called or ask for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import cache
from typing import get_args

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest

from evolvent.broker.requests import REQUESTS
from evolvent.types import (
    BrokerAnswered,
    Event,
    JobMoved,
    JobState,
    LessonKept,
    NodeFinished,
    PluginFailed,
    RunFinished,
    SkillDecided,
    SolveStatus,
    VariantDecided,
)

__all__ = ["MAX_NAMES", "OTHER", "Metrics", "publish"]

OTHER = "other"
MAX_NAMES = 50
"""Names of nodes, and of plugins, that get a time series of their own."""
SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
JOB_SECONDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
RUNNING = 1_000
"""Jobs whose begin is remembered."""
STATUSES = frozenset(get_args(SolveStatus))


class Metrics:
    """What happened, counted."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._names: dict[str, set[str]] = {
            name: set() for name in ("node", "plugin", "kind", "status", "stage")
        }
        self._lock = threading.Lock()
        self._events = self._counter("events", "Entries of the ledger.", "kind")
        self._solves = self._counter("solves", "Finished solves.", "status")
        self._jobs = self._counter("jobs", "Finished learning jobs.")
        self._calls = self._counter("model_calls", "Completed model calls.")
        self._tokens = self._counter(
            "tokens", "Tokens: in is what models read, out what they wrote.", "direction"
        )
        self._dollars = self._counter("dollars", "Price of the model calls in US dollars.")
        self._nodes = Histogram(
            "evolvent_node_seconds",
            "Wall-clock seconds of graph nodes.",
            ["node"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._skills = self._counter(
            "skills_decided", "Proposed skills that admission decided on.", "admitted"
        )
        self._lessons = self._counter("lessons_kept", "Lessons that were stored.")
        self._failures = self._counter("plugin_failures", "Failures of plugins.", "plugin")
        self._requests = self._counter("broker_requests", "Requests of guests.", "method", "ok")
        self._moves = self._counter("job_moves", "Jobs of a daemon that came into a state.", "kind", "state")
        self._job_seconds = Histogram(
            "evolvent_job_seconds",
            "Wall-clock seconds that a job was worked at, each time that it was.",
            ["kind"],
            buckets=JOB_SECONDS,
            registry=self.registry,
        )
        self._begun: dict[str, float] = {}
        self._variants = self._counter(
            "variants_decided",
            "Candidates that a generation decided on, and at which stage.",
            "status",
            "stage",
        )
        for direction in ("in", "out"):
            self._tokens.labels(direction)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"evolvent_{name}", what, labels, registry=self.registry)

    def count(self, event: Event) -> None:
        """Count one event."""
        self._events.labels(event.kind).inc()
        match event:
            case BrokerAnswered():
                self._count_request(event)
            case NodeFinished():
                self._nodes.labels(self._name("node", event.node)).observe(event.seconds)
            case RunFinished(status="finished"):
                self._jobs.inc()
            case RunFinished():
                self._solves.labels(event.status if event.status in STATUSES else OTHER).inc()
            case SkillDecided():
                self._skills.labels(_bool(event.admitted)).inc()
            case LessonKept():
                self._lessons.inc()
            case JobMoved():
                self._count_move(event)
            case VariantDecided():
                status, stage = self._name("status", event.status), self._name("stage", event.stage)
                self._variants.labels(status, stage).inc()
            case PluginFailed():
                self._failures.labels(self._name("plugin", event.plugin)).inc()

    def text(self) -> str:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry).decode()

    def _count_request(self, event: BrokerAnswered) -> None:
        # A run's own sum is not counted: a learning job's holds the sums of its parts.
        method = event.method if event.method in REQUESTS else OTHER
        self._requests.labels(method, _bool(event.ok)).inc()
        usage = event.usage
        self._calls.inc(usage.model_calls)
        self._tokens.labels("in").inc(usage.input_tokens)
        self._tokens.labels("out").inc(usage.output_tokens)
        self._dollars.inc(usage.dollars)

    def _count_move(self, event: JobMoved) -> None:
        kind, at = self._name("kind", event.job_kind or OTHER), event.at.timestamp()
        self._moves.labels(kind, event.state.value).inc()
        if event.state is JobState.RUNNING:
            self._begun[event.job_id] = at
            if len(self._begun) > RUNNING:
                del self._begun[next(iter(self._begun))]
        elif (begun := self._begun.pop(event.job_id, None)) is not None:
            self._job_seconds.labels(kind).observe(max(0.0, at - begun))

    def _name(self, label: str, value: str) -> str:
        with self._lock:
            known = self._names[label]
            if value not in known and len(known) == MAX_NAMES:
                return OTHER
            known.add(value)
            return value


@cache
def publish() -> None:
    """Show this process' metrics in the default registry of prometheus_client, which a daemon serves."""
    REGISTRY.register(_Live())


class _Live:
    """The metrics that are counted now, whichever they are."""

    def describe(self) -> list[Metric]:
        """Return nothing: what is not there yet has no names."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        from evolvent_plugins.metrics import live

        return live().registry.collect()


def _bool(value: bool) -> str:
    return "true" if value else "false"
