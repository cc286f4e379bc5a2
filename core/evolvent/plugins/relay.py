"""Calling other people's code on a thread that can be left behind, since Python cannot end one that hangs."""

from __future__ import annotations

import contextvars
import os
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, NamedTuple

__all__ = ["RELAY", "Call", "Outcome", "Relay", "TookTooLong", "Worker"]

YIELDS = 50


class Call(NamedTuple):
    """One call and how long it may take."""

    function: Callable[[], Any]
    seconds: float


class Outcome(NamedTuple):
    """What a call came to: a value or an error, never both."""

    value: Any = None
    error: BaseException | None = None
    seconds: float = 0.0


class TookTooLong(TimeoutError):
    """A call did not end in its time; its thread goes on by itself."""


class _Job:
    """Calls that one thread makes one after the other, while another one watches the clock."""

    __slots__ = ("begun", "calls", "context", "done", "left", "lock", "outcomes", "until")

    def __init__(self, calls: Sequence[Call], until: Callable[[Any], bool] | None) -> None:
        self.calls, self.until = calls, until
        self.context = contextvars.copy_context()
        self.outcomes: list[Outcome] = []
        self.begun = time.monotonic()
        self.left = False
        """Whether the caller gave this job up; what its call still returns is dropped."""
        self.lock = threading.Lock()
        self.done = threading.Lock()
        self.done.acquire()

    def work(self) -> bool:
        """Make the calls; returns whether anybody still waits for them."""
        return self.context.run(self._work)

    def _work(self) -> bool:
        clock, until, outcomes = time.monotonic, self.until, self.outcomes
        self.begun = started = clock()
        for function, _ in self.calls:
            value = error = None
            enough = False
            try:
                value = function()
                enough = until is not None and until(value)
            except BaseException as raised:  # SystemExit included: nobody else's code may end us
                value, error = None, raised
            now = clock()
            with self.lock:
                if self.left:
                    return False
                outcomes.append(Outcome(value, error, now - started))
                self.begun = started = now
            if enough:
                break
        self.done.release()
        return True

    def wait(self) -> bool:
        """Wait for the end; returns False when the current call took too long, and the job is given up.

        Nobody says that one call ended and the next began, so the clock is looked at as often as the shortest
        limit asks for.
        """
        for _ in range(YIELDS):  # most hooks return at once: three times as fast as to sleep and be woken
            os.sched_yield()
            if self.done.acquire(blocking=False):
                return True
        shortest = max(0.01, min(call.seconds for call in self.calls))
        while True:
            with self.lock:
                made = len(self.outcomes)
                finished = made == len(self.calls)
                bound = 60.0 if finished else self.begun + self.calls[made].seconds - time.monotonic()
                if bound <= 0:
                    self.left = True
                    return False
            if self.done.acquire(timeout=min(bound, shortest)):
                return True


class Worker(threading.Thread):
    """A thread of a relay."""

    def __init__(self) -> None:
        super().__init__(name="evolvent-plugin-call", daemon=True)
        self._jobs: SimpleQueue[_Job] = SimpleQueue()

    def give(self, job: _Job) -> None:
        """Hand over a job; only to a worker that has none."""
        self._jobs.put(job)

    def run(self) -> None:
        """Work until the process ends, or until a job was given up."""
        while self._jobs.get().work():
            pass


class Relay:
    """Makes calls in order on a thread of its own: one hand-over for a whole list of calls."""

    def __init__(self) -> None:
        self._idle: list[Worker] = []
        self._process = os.getpid()

    def run(self, calls: Sequence[Call], until: Callable[[Any], bool] | None = None) -> list[Outcome]:
        """Make calls one after the other, and never wait for one longer than it may take.

        Args:
            calls: at least none; each has its own time.
            until: says of a value that it is enough; the calls after it are not made.

        Returns:
            One outcome for each call that was made, in order. One that took too long has `TookTooLong` as its
            error, and the calls after it are made by another thread.
        """
        outcomes: list[Outcome] = []
        while len(outcomes) < len(calls):
            job = _Job(calls[len(outcomes) :], until)
            worker = self._take()
            worker.give(job)
            if job.wait():
                self._idle.append(worker)
                return outcomes + job.outcomes
            late = calls[len(outcomes) + len(job.outcomes)]
            error = TookTooLong(f"did not end within {late.seconds:g} s")
            outcomes += [*job.outcomes, Outcome(None, error, late.seconds)]
        return outcomes

    def _take(self) -> Worker:
        if self._process != os.getpid():  # in a child after a fork, where no thread of the parent runs
            self._process, self._idle = os.getpid(), []
        try:
            return self._idle.pop()
        except IndexError:
            worker = Worker()
            worker.start()
            return worker


RELAY = Relay()
"""The one of this process: its threads are as many as calls were ever under way at once, and those left behind."""
