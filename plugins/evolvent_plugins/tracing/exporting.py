"""Sending spans over OTLP/HTTP, in the background; where nobody listens, one warning is all that it costs."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

__all__ = ["Patient", "exporting"]

_log = logging.getLogger("evolvent.tracing")


def exporting() -> Callable[[ReadableSpan], None]:
    """Return what takes spans that have ended: it queues a bounded number, and drops what cannot be sent."""
    # It says of each batch what Patient says once.
    logging.getLogger("opentelemetry.exporter.otlp.proto.http").setLevel(logging.CRITICAL)
    processor = BatchSpanProcessor(Patient(OTLPSpanExporter()))
    atexit.register(processor.shutdown)
    return processor.on_end


class Patient(SpanExporter):
    """An exporter that warns when spans begin to be lost, and not again before one was taken.

    Args:
        inner: what sends.
    """

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._lost = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; whatever goes wrong is a result."""
        try:
            result = self._inner.export(spans)
        except Exception:
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self._lost = False
        elif not self._lost:
            self._lost = True
            _log.warning(
                "traces cannot be sent to the OTLP endpoint and are dropped; everything else goes on"
            )
        return result

    def shutdown(self) -> None:
        """End."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits."""
        return self._inner.force_flush(timeout_millis)
