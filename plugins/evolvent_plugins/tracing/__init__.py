"""Traces for OpenTelemetry: jobs, runs, nodes, model calls, tools and sandboxes, when an OTLP endpoint is set.

It is set as OpenTelemetry says: `OTEL_EXPORTER_OTLP_ENDPOINT` (or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`), with headers,
timeout and service name in the other variables of that kind. Without one nothing is imported.
"""

from __future__ import annotations

import logging
import os
from functools import cache
from typing import TYPE_CHECKING

from evolvent.hookspecs import hookimpl
from evolvent.types import Event

if TYPE_CHECKING:
    from evolvent_plugins.tracing.spans import Tracer

__all__ = ["ENDPOINTS", "on_event", "tracer"]

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


@cache
def tracer() -> Tracer | None:
    """Return what makes spans in this process; None where no endpoint is set, or the packages are missing."""
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return None
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    try:
        from evolvent_plugins.tracing.exporting import exporting
        from evolvent_plugins.tracing.spans import Tracer
    except ImportError as error:
        logging.getLogger("evolvent.tracing").warning(
            "an OTLP endpoint is set, and no traces are sent: %s; install them with: pip install 'evolvent[otel]'",
            error,
        )
        return None
    return Tracer(exporting())


@hookimpl
def on_event(event: Event) -> None:
    """Make the spans that an event ends."""
    found = tracer()
    if found is not None:
        found.hear(event)
