"""Traces, sent over real OTLP/HTTP to a receiver on loopback that decodes them."""

from __future__ import annotations

import gzip
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from evolvent.daemon import Daemon
from evolvent.types import JobRequest
from evolvent_plugins import tracing

AGENT = """
def solve(task, ctx):
    text = ctx.model.complete([{"role": "user", "content": task["prompt"]}])["text"]
    ctx.run_python("def double(x):\\n    return 2 * x\\n", "double", [[21]])
    try:
        ctx.tools.call("python", {"wrong": 1})
    except Exception as error:
        ctx.log(repr(error))
    return text
"""


class Receiver:
    """A collector that keeps the spans it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[Any] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.path == "/v1/traces"
                request = ExportTraceServiceRequest.FromString(body)
                for group in request.resource_spans:
                    outer.resources.append(group.resource)
                    for scope in group.scope_spans:
                        outer.spans += scope.spans
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def named(self, beginning: str) -> list[Any]:
        return [span for span in self.spans if span.name.startswith(beginning)]


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    found = Receiver()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    tracing.tracer.cache_clear()
    yield found
    tracing.tracer.cache_clear()
    found.server.shutdown()
    found.server.server_close()


def worked(open_runtime: Any, **settings: Any) -> Any:
    """Do one job of a daemon, with the plugin that is tested."""
    runtime = open_runtime({"": "the secret answer"}, daemon_free_mb=0, **settings)
    if "tracing" not in runtime.plugins.loaded:
        runtime.plugins.add(tracing, "tracing")
    runtime.services.genome = {**runtime.services.genome, "task_agent.py": AGENT}
    daemon = Daemon(runtime, background=False)
    daemon.start()
    job, _ = daemon.submit(JobRequest(payload={"prompt": "the secret question"}))
    while not (now := daemon.queue.get(job.id)).state.ended:
        time.sleep(0.02)
    daemon.drain(10)
    runtime.plugins.flush()
    assert now.state == "finished", now.reason
    return now


def wait(receiver: Receiver, name: str) -> None:
    end = time.monotonic() + 30
    while not receiver.named(name) and time.monotonic() < end:
        time.sleep(0.05)


def test_a_job_is_one_trace_from_the_job_to_its_calls(receiver: Receiver, open_runtime: Any) -> None:
    job = worked(open_runtime)
    wait(receiver, "job")
    assert len({span.trace_id for span in receiver.spans}) == 1
    assert len({span.span_id for span in receiver.spans}) == len(receiver.spans)
    (root,), (run,), (chat,) = (
        receiver.named("job"),
        receiver.named("solve evolvent"),
        receiver.named("chat "),
    )
    (node,), (sandbox,), (tool,) = (
        receiver.named("node solve"), receiver.named("sandbox "), receiver.named("execute_tool "),
    )  # fmt: skip
    assert root.parent_span_id == b""
    assert run.parent_span_id == root.span_id
    assert node.parent_span_id == run.span_id
    assert {chat.parent_span_id, sandbox.parent_span_id, tool.parent_span_id} == {node.span_id}
    for parent, child in ((root, run), (run, node), (node, chat), (node, sandbox)):
        slack = 5_000_000  # times are kept to the millisecond on their way through the ledger
        assert parent.start_time_unix_nano <= child.start_time_unix_nano + slack
        assert child.end_time_unix_nano <= parent.end_time_unix_nano + slack
        assert child.start_time_unix_nano <= child.end_time_unix_nano
    assert attributes(root)["evolvent.job.id"] == job.id
    said = attributes(chat)
    assert said["gen_ai.operation.name"] == "chat"
    assert said["gen_ai.request.model"] == "ScriptedModel"
    assert said["gen_ai.usage.input_tokens"] >= 0
    assert attributes(tool)["gen_ai.tool.name"] == "python"
    assert tool.status.code == 2
    assert attributes(run)["gen_ai.operation.name"] == "invoke_agent"
    service = {one.key: one.value.string_value for one in receiver.resources[0].attributes}
    assert service["service.name"] == "evolvent"
    everything = " ".join(str(span) for span in receiver.spans)
    assert "secret" not in everything, "no word of a prompt or an answer leaves, unless a person says so"


def test_what_was_asked_is_sent_when_a_person_says_so(
    receiver: Receiver, open_runtime: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    worked(open_runtime)
    wait(receiver, "job")
    (chat,) = receiver.named("chat ")
    assert "the secret answer" in attributes(chat)["evolvent.summary"]


def test_a_dead_endpoint_costs_a_warning(
    open_runtime: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = Receiver()
    found.server.shutdown()
    found.server.server_close()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    tracing.tracer.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            worked(open_runtime)
            end = time.monotonic() + 20
            while "traces cannot be sent" not in caplog.text and time.monotonic() < end:
                time.sleep(0.05)
            time.sleep(0.5)
        told = [record for record in caplog.records if "traces cannot be sent" in record.message]
        assert len(told) == 1
        assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]
    finally:
        tracing.tracer.cache_clear()


def test_without_an_endpoint_nothing_is_imported() -> None:
    code = (
        "import sys; from evolvent_plugins import tracing; from evolvent.types import PluginFailed;"
        "tracing.on_event(PluginFailed(key='k', plugin='p', reason='r'));"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')], 'imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
