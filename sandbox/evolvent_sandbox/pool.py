"""Warm guests, each used once: started in the background by threads that live as long as the sandbox.

They live that long because Linux ties "die with the parent" to the *thread* that started the child.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from evolvent.errors import SandboxLost, UsageError
from evolvent_sandbox.guests import Guest, Shape

__all__ = ["GuestPool"]

MAX_USED = 8
"""Used guests that may wait for their end while others are started."""
Launch = Callable[[Shape], Guest]


class _State:
    """What the pool and its threads share; they must not keep the pool itself alive."""

    def __init__(self, launch: Launch, size: int, shape: Shape, workers: int) -> None:
        self.launch = launch
        self.size = size
        self.shape = shape
        self.workers = workers
        self.starting = 0
        self.changed = threading.Condition()
        self.warm: deque[Guest] = deque()
        self.wanted: deque[tuple[Shape, Future[Guest]]] = deque()
        self.used: deque[Guest] = deque()
        self.living: set[Guest] = set()
        self.refill = False
        self.closed = False
        self.pid = os.getpid()
        self.threads: list[threading.Thread] = []


class GuestPool:
    """Hands out guests that nobody has used."""

    def __init__(self, launch: Launch, size: int, shape: Shape, workers: int = 1) -> None:
        """Make an empty pool; nothing is started before the first `take`.

        Args:
            launch: starts a guest of a shape.
            size: guests to keep warm.
            shape: of the warm ones; others are started on demand.
            workers: threads that start and kill guests.
        """
        self._state = _State(launch, size, shape, workers)
        self._finalizer = weakref.finalize(self, _shut_down, self._state)

    def take(self, shape: Shape) -> Guest:
        """Return a guest that nobody has used; it may still be starting.

        Raises:
            MissingPrerequisite: a guest cannot be started on this machine.
            UsageError: the pool is closed.
        """
        state = self._state
        with state.changed:
            self._check_open()
            self._start_threads()
            state.refill = True
            if shape == state.shape and state.warm:
                guest = state.warm.popleft()
                state.changed.notify_all()
                return guest
            future: Future[Guest] = Future()
            state.wanted.append((shape, future))
            state.changed.notify_all()
        return future.result()

    def give_back(self, guest: Guest) -> None:
        """Put back a guest that was taken and not used."""
        with self._state.changed:
            self._state.warm.append(guest)

    def discard(self, guest: Guest) -> None:
        """Have a used guest killed, in the background."""
        with self._state.changed:
            self._state.used.append(guest)
            self._state.changed.notify_all()

    def close(self) -> None:
        """Kill every guest and end the threads. May be called twice."""
        self._finalizer()

    def _check_open(self) -> None:
        if self._state.closed:
            raise UsageError("this sandbox is closed; open a new one")
        if self._state.pid != os.getpid():
            raise UsageError("this sandbox was opened before a fork; open a new one in the child process")

    def _start_threads(self) -> None:
        state = self._state
        while len(state.threads) < state.workers:
            thread = threading.Thread(target=_serve, args=(state,), name="evolvent-guests", daemon=True)
            state.threads.append(thread)
            thread.start()


def _serve(state: _State) -> None:
    """Kill used guests, start wanted ones, keep some warm: until the pool is closed."""
    while True:
        with state.changed:
            while not (state.closed or state.wanted or state.used or _is_short(state)):
                state.changed.wait()
            if state.closed:
                return
            behind = len(state.used) > MAX_USED
            job = state.wanted.popleft() if state.wanted and not behind else None
            short = job is None and not behind and _is_short(state)
            state.starting += short
            used = state.used.popleft() if job is None and not short else None
        if used is not None:
            _retire(state, used)
        elif job is not None:
            _start_wanted(state, *job)
        else:
            _start_warm(state)


def _is_short(state: _State) -> bool:
    return state.refill and len(state.warm) + state.starting < state.size


def _start_wanted(state: _State, shape: Shape, future: Future[Guest]) -> None:
    try:
        guest = _start(state, shape)
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(guest)


def _start_warm(state: _State) -> None:
    guest = None
    try:
        guest = _start(state, state.shape)
    except Exception:
        state.refill = False  # the next `take` starts one itself and shows the error to its caller
    with state.changed:
        state.starting -= 1
        if guest is not None:
            state.warm.append(guest)


def _start(state: _State, shape: Shape) -> Guest:
    guest = state.launch(shape)
    with state.changed:
        state.living.add(guest)
        closed = state.closed
    if closed:
        _retire(state, guest)
        raise SandboxLost("the sandbox was closed while a guest was starting")
    try:
        guest.settle()
    except BaseException:
        _retire(state, guest)
        raise
    return guest


def _retire(state: _State, guest: Guest) -> None:
    try:
        guest.kill()
    except Exception as error:  # the thread must live on; the next start looks for what was left
        logging.getLogger(__name__).warning("a guest could not be ended: %s", error)
    with state.changed:
        state.living.discard(guest)


def _shut_down(state: _State) -> None:
    if state.pid != os.getpid():
        return
    with state.changed:
        state.closed = True
        wanted, state.wanted = list(state.wanted), deque()
        state.changed.notify_all()
    for _, future in wanted:
        future.set_exception(UsageError("this sandbox is closed; open a new one"))
    for thread in state.threads:
        if thread is not threading.current_thread():
            thread.join(timeout=10)
    for guest in list(state.living):
        _retire(state, guest)
