"""What the tests of the API talk to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx

from evolvent import Runtime
from evolvent.daemon import Daemon
from evolvent.daemon.api import ApiServer
from evolvent.storage import Tokens
from evolvent.storage.archive import StoredVariant
from evolvent.types import ApprovalRequest, Evaluation, Job, Scope, Split


@dataclass
class Served:
    """A daemon and how to talk to it."""

    daemon: Daemon
    server: ApiServer
    app: Any
    tokens: Tokens
    thread: threading.Thread
    clients: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    @property
    def runtime(self) -> Runtime:
        return self.daemon.runtime

    def token(self, scope: str = "admin", seconds: float | None = None) -> str:
        return self.tokens.create("test", [Scope(scope)], seconds)[0]

    def client(self, scope: str | None = "admin", **headers: str) -> httpx.Client:
        if scope is not None:
            headers = {"Authorization": f"Bearer {self.token(scope)}", **headers}
        return self.clients.enter_context(
            httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=30)
        )

    def ended(self, job_id: str, seconds: float = 120.0) -> Job:
        until = time.monotonic() + seconds
        while not (job := self.daemon.queue.get(job_id)).state.ended:
            assert time.monotonic() < until, job
            time.sleep(0.02)
        return job

    def stop(self) -> None:
        self.clients.close()
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()
        assert self.daemon.drain(20)


@dataclass(frozen=True)
class Filled:
    """What `fill` put into a home."""

    run: str
    lesson: str
    variants: tuple[str, str]
    approval: str


def fill(runtime: Runtime) -> Filled:
    """Put one of everything into a home: a run, a lesson, two variants of which the first is active, a question."""
    run = runtime.solve("What is 6 times 7?").run_id
    lesson = runtime.lessons.keep("Read the units first.", "a question about lengths", [f"{run}#1"])
    evolution = runtime.evolution
    program = dict(runtime.services.genome)
    first = evolution.genomes.add(program, (), "seed")
    second = evolution.genomes.add({**program, "prompts/extra.md": "Be brief.\n"}, (first,), "brief")
    tree = evolution.genomes.tree
    evolution.tables.add_variants(
        [
            StoredVariant(first, tree(first), (), 0, "e-test", "seed", ""),
            StoredVariant(second, tree(second), (first,), 1, "e-test", "meta-agent", "shorter answers"),
        ]
    )
    evolution.tables.add_evaluations(
        "context",
        "e-test",
        [Evaluation(variant=first, split=Split.TRAIN, task_id="t", score=1, passed=True, status="solved")],
    )
    evolution.genomes.set_active(first)
    question = ApprovalRequest(
        id="q-test",
        run_id="r-test",
        session_id="r-test#1",
        kind="skill",
        subject={"name": "x"},
        reason="it is new",
    )
    runtime.approvals.ask(question)
    return Filled(run, lesson.id, (first, second), question.id)


Serve = Callable[..., Served]
