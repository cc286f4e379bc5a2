"""Throughput: guests that serve many sources, one fork for each call."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence

from evolvent.errors import UsageError
from evolvent.types import CallResult, JsonValue, Limits, Variation
from evolvent_sandbox.calls import Batch
from evolvent_sandbox.guests import Guest, Shape

__all__ = ["MAX_CALLS", "ForkServer"]

MAX_CALLS = 1000
"""Calls after which a guest is replaced, whatever they did."""
MAX_IDLE = 8


class ForkServer:
    """A function server over guests that are used again as long as nothing was left in them.

    A guest is given up after a call that ended by a limit or died, or that touched a writable folder, be it only
    its time stamps. Threads may share it: each call has its guest to itself.
    """

    def __init__(
        self,
        take: Callable[[Limits], Guest],
        discard: Callable[[Guest], None],
        limits: Limits,
        max_calls: int = MAX_CALLS,
        variation: Variation | None = None,
    ) -> None:
        """Begin without guests.

        Args:
            take: returns a guest that nobody has used.
            discard: has a guest killed.
            limits: used where a call gives none.
            max_calls: calls after which a guest is replaced; with 0 each source gets a guest of its own.
            variation: what surrounds the calls; `take` starts its guests accordingly.
        """
        self._max_calls = max_calls
        self._pid = os.getpid()
        self._take = take
        self._discard = discard
        self._limits = limits
        self._variation = variation
        self._idle: deque[Guest] = deque()
        self._lock = threading.Lock()

    def call_function(
        self,
        source: str,
        function: str,
        calls: Sequence[Sequence[JsonValue]],
        limits: Limits | None = None,
    ) -> list[CallResult]:
        """Call a function of untrusted source; see `evolvent.protocols.FunctionServer`.

        Raises:
            MissingPrerequisite: the sandbox cannot start on this machine.
            UsageError: the arguments are not plain JSON.
            SandboxLost: the sandbox itself (not the code in it) failed.
        """
        if self._pid != os.getpid():
            raise UsageError("this sandbox was opened before a fork; open a new one in the child process")
        batch = Batch(source, function, calls, limits or self._limits, self._variation)
        while batch.unfinished:
            guest = self._idle_guest(Shape.of(batch.limits)) or self._take(batch.limits)
            clean = False
            try:
                clean = batch.serve(guest)
            finally:
                self._give_back(guest, Shape.of(batch.limits), clean and guest.calls < self._max_calls)
        return batch.results

    def close(self) -> None:
        """Have the idle guests killed. May be called twice."""
        while self._idle:
            self._discard(self._idle.popleft())

    def _idle_guest(self, shape: Shape) -> Guest | None:
        with self._lock:
            fitting = [guest for guest in self._idle if guest.served == shape]
            for guest in fitting:
                self._idle.remove(guest)
                if guest.is_quiet():
                    return guest
                self._discard(guest)
        return None

    def _give_back(self, guest: Guest, shape: Shape, usable: bool) -> None:
        guest.served = shape
        if not usable:
            self._discard(guest)
            return
        with self._lock:
            self._idle.append(guest)
            oldest = self._idle.popleft() if len(self._idle) > MAX_IDLE else None
        if oldest is not None:
            self._discard(oldest)
