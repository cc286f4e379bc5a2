"""Warm guests, each used once: started in the background by one thread that lives as long as the sandbox.

One thread starts all guests because Linux ties "die with the parent" to the *thread* that started the child.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from evolvent.errors import EvolventError, SandboxLost, UsageError
from evolvent_sandbox.guest_process import GuestProcess

__all__ = ["GuestPool"]

Launch = Callable[[int], GuestProcess]


class _State:
    """What the pool and its thread share; the thread must not keep the pool itself alive."""

    def __init__(self, launch: Launch, size: int, scratch_bytes: int) -> None:
        self.launch = launch
        self.size = size
        self.scratch_bytes = scratch_bytes
        self.changed = threading.Condition()
        self.warm: deque[GuestProcess] = deque()
        self.wanted: deque[tuple[int, Future[GuestProcess]]] = deque()
        self.used: deque[GuestProcess] = deque()
        self.living: set[GuestProcess] = set()
        self.refill = False
        self.closed = False
        self.pid = os.getpid()
        self.thread: threading.Thread | None = None


class GuestPool:
    """Hands out guests that nobody has used."""

    def __init__(self, launch: Launch, size: int, scratch_bytes: int) -> None:
        """Make an empty pool; nothing is started before the first `take`.

        Args:
            launch: starts a guest with a scratch folder of so many bytes.
            size: guests to keep warm.
            scratch_bytes: scratch folder of the warm ones; other sizes are started on demand.
        """
        self._state = _State(launch, size, scratch_bytes)
        self._finalizer = weakref.finalize(self, _shut_down, self._state)

    def take(self, scratch_bytes: int) -> GuestProcess:
        """Return a guest that nobody has used; it may still be starting.

        Raises:
            MissingPrerequisite: a guest cannot be started on this machine.
            UsageError: the pool is closed.
        """
        state = self._state
        self._check_open()
        with state.changed:
            self._start_thread()
            state.refill = True
            if scratch_bytes == state.scratch_bytes and state.warm:
                guest = state.warm.popleft()
                state.changed.notify_all()
                return guest
            future: Future[GuestProcess] = Future()
            state.wanted.append((scratch_bytes, future))
            state.changed.notify_all()
        return future.result()

    def give_back(self, guest: GuestProcess) -> None:
        """Put back a guest that was taken and not used."""
        with self._state.changed:
            self._state.warm.append(guest)

    def discard(self, guest: GuestProcess) -> None:
        """Have a used guest killed, in the background."""
        with self._state.changed:
            self._state.used.append(guest)
            self._state.changed.notify_all()

    def close(self) -> None:
        """Kill every guest and end the thread. May be called twice."""
        self._finalizer()

    def _check_open(self) -> None:
        if self._state.closed:
            raise UsageError("this sandbox is closed; open a new one")
        if self._state.pid != os.getpid():
            raise UsageError("this sandbox was opened before a fork; open a new one in the child process")

    def _start_thread(self) -> None:
        state = self._state
        if state.thread is None:
            state.thread = threading.Thread(target=_serve, args=(state,), name="evolvent-guests", daemon=True)
            state.thread.start()


def _serve(state: _State) -> None:
    """Kill used guests, start wanted ones, keep some warm: until the pool is closed."""
    while True:
        with state.changed:
            while not (state.closed or state.wanted or state.used or _is_short(state)):
                state.changed.wait()
            if state.closed:
                return
            job = state.wanted.popleft() if state.wanted else None
            short = job is None and _is_short(state)
            used = state.used.popleft() if job is None and not short else None
        if used is not None:
            _retire(state, used)
        elif job is not None:
            _start_wanted(state, *job)
        else:
            _start_warm(state)


def _is_short(state: _State) -> bool:
    return state.refill and len(state.warm) < state.size


def _start_wanted(state: _State, scratch_bytes: int, future: Future[GuestProcess]) -> None:
    try:
        guest = _start(state, scratch_bytes)
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(guest)


def _start_warm(state: _State) -> None:
    try:
        guest = _start(state, state.scratch_bytes)
    except (EvolventError, OSError):
        state.refill = False  # the next `take` starts one itself and shows the error to its caller
        return
    with state.changed:
        state.warm.append(guest)


def _start(state: _State, scratch_bytes: int) -> GuestProcess:
    guest = state.launch(scratch_bytes)
    guest.scratch_bytes = scratch_bytes
    with state.changed:
        state.living.add(guest)
        closed = state.closed
    if closed:
        _retire(state, guest)
        raise SandboxLost("the sandbox was closed while a guest was starting")
    return guest


def _retire(state: _State, guest: GuestProcess) -> None:
    guest.kill()
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
    if state.thread is not None and state.thread is not threading.current_thread():
        state.thread.join(timeout=10)
    for guest in list(state.living):
        _retire(state, guest)
