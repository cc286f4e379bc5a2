"""Metrics of what happens, for Prometheus and for people.

`on_event` counts in this process; `evolvent metrics` counts what the ledger of a home holds; the panel `activity`
shows the last week. prometheus_client is imported with the first event.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from evolvent.hookspecs import hookimpl
from evolvent.protocols import Panel
from evolvent.types import Event
from evolvent_plugins.metrics.activity import Activity

if TYPE_CHECKING:
    from evolvent_plugins.metrics.collectors import Metrics

__all__ = ["live", "on_event", "register_commands", "register_panels"]


@cache
def live() -> Metrics:
    """Return the metrics of this process, all its runtimes together."""
    from evolvent_plugins.metrics.collectors import Metrics, publish

    publish()
    return Metrics()


@hookimpl
def on_event(event: Event) -> None:
    """Count an event."""
    live().count(event)


@hookimpl
def register_commands(register: Callable[[str, Any], None]) -> None:
    """Register `evolvent metrics`."""
    register("metrics", metrics)


@hookimpl
def register_panels(register: Callable[[str, Panel], None]) -> None:
    """Register `activity`."""
    register("activity", Activity())


def metrics() -> None:
    """Print the metrics of everything that the home's ledger holds, in Prometheus' text format."""
    from evolvent_plugins.metrics.command import print_metrics

    print_metrics()
