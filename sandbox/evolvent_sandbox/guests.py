"""A guest as the host holds it: one pipe of frames, and a way to learn how it ended."""

from __future__ import annotations

import select
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from evolvent.errors import SandboxLost, SandboxTimeout
from evolvent.types import Limits, Variation

__all__ = ["End", "Guest", "Shape", "Stream"]


class Shape(NamedTuple):
    """What a guest gets when it is started and keeps. Guests of one shape replace each other."""

    scratch_bytes: int
    files: int
    total_memory_bytes: int
    processes: int
    cpus: float
    hash_seed: int = 0
    hostname: str = "sandbox"

    @classmethod
    def of(cls, limits: Limits, variation: Variation | None = None) -> Shape:
        """Return the shape that some limits, and surroundings, ask for."""
        around = variation or Variation()
        bounds = (getattr(limits, name) for name in cls._fields[:-2])
        return cls._make((*bounds, around.hash_seed, around.hostname))


@dataclass(frozen=True)
class End:
    """How a guest ended."""

    code: int
    """Exit code; negative is the signal's number."""
    limit: str | None = None
    """The field of `Limits` that ended it, where that is known."""

    def __str__(self) -> str:
        signal = -self.code if self.code < 0 else self.code - 128
        return f"signal {signal}" if signal > 0 else f"exit code {self.code}"


class Stream(Protocol):
    """The host's end of the pipe: what a guest needs of a socket."""

    def settimeout(self, value: float | None, /) -> None:
        """Bound every operation from now on, in seconds."""

    def sendall(self, data: bytes, /) -> None:
        """Send all bytes."""

    def recv(self, bufsize: int, /) -> bytes:
        """Return some bytes, at most `bufsize`; none when the other end has closed."""

    def fileno(self) -> int:
        """Return the descriptor that becomes readable."""

    def close(self) -> None:
        """Close. May be called twice."""


class Guest(ABC):
    """One guest. Not shared between threads, except that any thread may kill it."""

    def __init__(self, pipe: Stream) -> None:
        """Hold a guest that was just started on the other end of `pipe`."""
        self.ready = False
        self.calls = 0
        """Calls of functions that it has served."""
        self.served: Shape | None = None
        """The bounds under which it served them."""
        self._pipe = pipe

    @property
    def orphaned(self) -> bool:
        """Whether it ended because what ran it did; to be asked once it has ended."""
        return False

    def is_quiet(self) -> bool:
        """Whether it waits to be asked: a guest that has ended, or speaks unasked, is of no use."""
        poll = select.poll()
        poll.register(self._pipe.fileno(), select.POLLIN)
        return not poll.poll(0)

    def settle(self) -> None:  # noqa: B027 - for most there is nothing to do
        """Do what takes time after the start and need not wait for the guest's report."""

    def mark_ready(self) -> None:
        """Note that the guest has reported."""
        self.ready = True

    def bound(self, limits: Limits) -> None:  # noqa: B027 - for most there is nothing to do
        """Apply those limits to the whole guest that can still be changed; before untrusted code runs."""

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed one of its processes at their common bound since it was last asked."""
        return False

    @abstractmethod
    def said(self) -> str:
        """Return what the sandbox said on stderr before the guest reported."""

    @abstractmethod
    def wait(self, seconds: float, limits: Limits) -> End | None:
        """Wait for the guest to end on its own; None when it has not."""

    @abstractmethod
    def kill(self) -> None:
        """End the guest and everything that it started, wait for it, and free what it held. Idempotent."""

    def send(self, data: bytes, seconds: float) -> None:
        """Send one frame.

        Raises:
            SandboxTimeout: the guest did not take it in time.
            SandboxLost: the guest is gone.
        """
        try:
            self._pipe.settimeout(max(seconds, 0.001))
            self._pipe.sendall(len(data).to_bytes(4, "big") + data)
        except TimeoutError:
            raise SandboxTimeout(f"the guest did not read for {seconds:.1f} s (wall_seconds)") from None
        except OSError as error:
            raise SandboxLost(f"the guest is gone: {error}") from None

    def receive(self, seconds: float, max_bytes: int) -> bytes:
        """Return the next frame.

        Raises:
            SandboxTimeout: none arrived in time.
            SandboxLost: the guest closed the pipe or announced a frame of more than `max_bytes`.
        """
        deadline = time.monotonic() + seconds
        size = int.from_bytes(self._exactly(4, deadline), "big")
        if size > max_bytes:
            raise SandboxLost(
                f"the guest announced a frame of {size} bytes; {max_bytes} are allowed (value_bytes)"
            )
        return self._exactly(size, deadline)

    def _exactly(self, size: int, deadline: float) -> bytes:
        data = bytearray()
        try:
            while len(data) < size:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                self._pipe.settimeout(left)
                chunk = self._pipe.recv(min(size - len(data), 1 << 20))
                if not chunk:
                    raise SandboxLost("the guest closed its pipe")
                data += chunk
        except TimeoutError:
            raise SandboxTimeout("the guest did not answer within its wall clock (wall_seconds)") from None
        except OSError as error:
            raise SandboxLost(f"the guest is gone: {error}") from None
        return bytes(data)
