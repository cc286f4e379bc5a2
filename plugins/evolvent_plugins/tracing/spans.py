"""Spans made of the ledger's entries, which say when something ended and how long it took.

A span's id is made of what it is about, so that a child can name its parent before that one has ended, and a run that
goes on in another process stays in one trace. Names and attributes: OpenTelemetry's semantic conventions for
generative AI (`gen_ai.*`); what they have no word for begins with `evolvent.`.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue

from evolvent import __version__
from evolvent.types import BrokerAnswered, Event, JobMoved, JobState, NodeFinished, RunFinished, RunStarted

__all__ = ["CONTENT", "Tracer"]

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The conventions' variable that lets what was asked and answered into spans, and here the titles of runs too."""
MOST_RUNS, MOST_CALLS = 500, 5_000
"""Bounds of what is remembered of runs that have not ended, and of calls whose node has not."""
SANDBOX = frozenset({"skills.run", "run_python"})
V = TypeVar("V")
SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class Tracer:
    """Turns events into spans; used by the one thread that tells observers.

    Args:
        send: takes a span that has ended.
    """

    def __init__(self, send: Callable[[ReadableSpan], None]) -> None:
        self._send = send
        self._content = os.environ.get(CONTENT, "").lower() in ("true", "1", "span_only", "span_and_event")
        self._resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "evolvent")})
        self._scope = InstrumentationScope("evolvent", __version__)
        self._runs: OrderedDict[str, RunStarted] = OrderedDict()
        self._jobs: OrderedDict[str, JobMoved] = OrderedDict()
        self._calls: OrderedDict[str, list[BrokerAnswered]] = OrderedDict()

    def hear(self, event: Event) -> None:
        """Send the spans that an event ends."""
        match event:
            case RunStarted():
                _remember(self._runs, event.run_id, event)
            case BrokerAnswered():
                calls = self._calls.get(event.run_id, [])
                if len(calls) < MOST_CALLS:
                    calls.append(event)
                _remember(self._calls, event.run_id, calls)
            case NodeFinished():
                self._node(event)
            case RunFinished():
                self._run(event)
            case JobMoved(state=JobState.RUNNING):
                _remember(self._jobs, event.job_id, event)
            case JobMoved():
                self._job(event)

    def _node(self, event: NodeFinished) -> None:
        end = _nanoseconds(event.at)
        begin = end - int(event.seconds * 1e9)
        self._end(
            f"node {event.node}",
            event.key,
            event.run_id,
            f"run:{event.run_id}",
            (begin, end),
            {"evolvent.node": event.node},
        )
        for call in self._calls.pop(event.run_id, ()):
            self._call(call, event.key)

    def _call(self, event: BrokerAnswered, parent: str) -> None:
        usage, name = event.usage, event.subject
        said: dict[str, AttributeValue] = {
            "evolvent.request": event.method,
            "evolvent.attempt.id": event.attempt_id,
        }
        title, kind = f"broker {event.method}", SpanKind.INTERNAL
        if event.method == "model.complete":
            provider, _, model = name.partition(":")
            title, kind = f"chat {model or name}", SpanKind.CLIENT
            said |= {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": provider,
                "gen_ai.request.model": model or name,
                "gen_ai.usage.input_tokens": usage.input_tokens,
                "gen_ai.usage.output_tokens": usage.output_tokens,
                "evolvent.usage.dollars": usage.dollars,
            }
        elif event.method == "tools.call":
            title = f"execute_tool {name}"
            said |= {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
        elif event.method in SANDBOX:
            title = f"sandbox {name or 'run_python'}"
            said |= {"evolvent.sandbox.what": "skill" if name else "python", "evolvent.skill.name": name}
        if self._content:
            said["evolvent.summary"] = event.summary
        end = _nanoseconds(event.at)
        times = (end - int(usage.seconds * 1e9), end)
        self._end(title, event.key, event.run_id, parent, times, said, kind, "" if event.ok else "refused")

    def _run(self, event: RunFinished) -> None:
        for call in self._calls.pop(event.run_id, ()):
            self._call(call, f"run:{event.run_id}")
        started = self._runs.pop(event.run_id, None)
        end = _nanoseconds(event.at)
        begin = end - int(event.usage.seconds * 1e9) if started is None else _nanoseconds(started.at)
        kind = "run" if started is None else started.job
        said: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "invoke_agent" if kind in ("solve", "run") else "invoke_workflow",
            "gen_ai.agent.name": "evolvent",
            "gen_ai.usage.input_tokens": event.usage.input_tokens,
            "gen_ai.usage.output_tokens": event.usage.output_tokens,
            "evolvent.run.id": event.run_id,
            "evolvent.run.status": event.status,
            "evolvent.usage.dollars": event.usage.dollars,
        }
        if self._content and started is not None:
            said["evolvent.run.title"] = started.title
        root = _root(event.run_id)
        parent = f"job:{root}" if root == event.run_id else f"run:{root}"
        known = root != event.run_id or any(job.run_id == root for job in self._jobs.values())
        self._end(
            f"{kind} evolvent",
            f"run:{event.run_id}",
            event.run_id,
            parent if known else None,
            (begin, end),
            said,
        )

    def _job(self, event: JobMoved) -> None:
        began = self._jobs.pop(event.job_id, None)
        if began is None:
            return
        failed = event.state == JobState.DEAD or (event.state == JobState.QUEUED and bool(event.reason))
        said: dict[str, AttributeValue] = {
            "evolvent.job.id": event.job_id,
            "evolvent.job.state": event.state.value,
            "evolvent.job.tries": began.tries,
            "evolvent.run.id": event.run_id,
        }
        times = (_nanoseconds(began.at), _nanoseconds(event.at))
        error = event.state.value if failed else ""
        self._end("job", f"job:{event.run_id}", event.run_id, None, times, said, error=error)

    def _end(
        self,
        name: str,
        key: str,
        run_id: str,
        parent: str | None,
        times: tuple[int, int],
        attributes: dict[str, AttributeValue],
        kind: SpanKind = SpanKind.INTERNAL,
        error: str = "",
    ) -> None:
        trace = _number(f"trace:{_root(run_id)}", 16)
        if error:
            attributes["error.type"] = error
        self._send(
            ReadableSpan(
                name=name[:200],
                context=SpanContext(trace, _number(key, 8), is_remote=False, trace_flags=SAMPLED),
                parent=None if parent is None else SpanContext(trace, _number(parent, 8), is_remote=False),
                resource=self._resource,
                attributes=attributes,
                kind=kind,
                status=Status(StatusCode.ERROR, error) if error else Status(),
                start_time=min(times),
                end_time=times[1],
                instrumentation_scope=self._scope,
            )
        )


def _remember(known: OrderedDict[str, V], key: str, value: V) -> None:
    """Keep a value, and let go of the oldest one where there are too many."""
    known[key] = value
    known.move_to_end(key)
    if len(known) > MOST_RUNS:
        known.popitem(last=False)


def _root(run_id: str) -> str:
    """Return the run that a part of one belongs to."""
    return run_id.split("/")[0]


def _number(text: str, size: int) -> int:
    """Return an id of so many bytes that is not 0."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:size], "big") or 1


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1e9)
