"""Where untrusted code runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from evolvent.types import CallResult, Execution, JsonValue, Limits, Variation

if TYPE_CHECKING:
    from evolvent.settings import Settings

__all__ = [
    "FunctionServer",
    "GuestHandler",
    "Sandbox",
    "SandboxBuilder",
    "SandboxFactory",
    "Session",
    "VariableServer",
]


GuestHandler = Callable[[str, dict[str, JsonValue]], JsonValue]
"""Answers one request of a guest: `(method, params) -> result`. Raising sends the guest an error with the
exception's type name and message; of a GuestError its `kind` and `message`."""


class Session(Protocol):
    """A guest process that answers calls and asks the host through one pipe."""

    def call(
        self, method: str, params: dict[str, JsonValue], handler: GuestHandler | None = None
    ) -> JsonValue:
        """Call a method of the guest and serve its requests until it answers.

        Args:
            method: `load` (params: `files`, a mapping of relative path to text) makes the guest's modules
                importable; `invoke` (params: `module`, `function`, `args`, `context`) calls `function(*args, ctx)`.
            params: a JSON object.
            handler: answers the guest's own requests; without one every request is refused.

        Raises:
            GuestError: the guest's code raised.
            SandboxTimeout: a limit ended the guest; it is killed.
            SandboxLost: the guest died or broke the protocol; it is killed.
        """
        ...

    def close(self) -> None:
        """Kill the guest and free what it held. May be called twice."""
        ...


@runtime_checkable
class FunctionServer(Protocol):
    """Calls a function of untrusted source: JSON in, JSON out."""

    def call_function(
        self,
        source: str,
        function: str,
        calls: Sequence[Sequence[JsonValue]],
        limits: Limits | None = None,
    ) -> list[CallResult]:
        """Call `function(*args)` for each `args` in `calls`, each in a process of its own.

        The result has one entry for each call, in order. Nothing that the code prints, exits with or
        leaves behind changes an entry of another call. `limits` holds for each call; its `wall_seconds`
        bounds one call.

        Raises:
            MissingPrerequisite: the sandbox cannot start on this machine.
            SandboxLost: the sandbox itself (not the code in it) failed.
        """
        ...


@runtime_checkable
class VariableServer(FunctionServer, Protocol):
    """A function server that can change what surrounds a call; admission repeats its tests with it, where it can."""

    def varied(self, variation: Variation) -> FunctionServer:
        """Return a server that makes every batch of calls in a fresh guest with other surroundings."""
        ...


@runtime_checkable
class Sandbox(FunctionServer, Protocol):
    """Where untrusted code runs: no secrets, no network, bounded resources."""

    name: str
    isolates: bool
    """Whether code in it is kept from the host; a sandbox for which this is false needs `allow_unsafe`."""

    def run(
        self,
        command: Sequence[str],
        files: Mapping[str, bytes] | None = None,
        limits: Limits | None = None,
        collect: Sequence[str] = (),
    ) -> Execution:
        """Run one command to its end in a fresh sandbox.

        Args:
            command: argument vector; `python` as its first word is the sandbox's interpreter.
            files: relative path to content, laid out in the working folder first.
            limits: what it may use.
            collect: relative paths of files to bring back, `*`, `?` and `[…]` within a name allowed. Only
                regular files with one name come back, without following any symbolic link.

        Raises:
            MissingPrerequisite: the sandbox cannot start on this machine.
            UsageError: a path in `files` or `collect` leaves the working folder.
        """
        ...

    def forkserver(self) -> FunctionServer:
        """Return a function server for throughput: its guests serve many sources, one fork for each call.

        `call_function` of the sandbox itself takes a fresh guest for each source: use that to admit or to gate.
        """
        ...

    def session(self, limits: Limits | None = None) -> Session:
        """Start a guest, or take a warm one that nobody has used.

        Raises:
            MissingPrerequisite: the sandbox cannot start on this machine.
        """
        ...

    def describe(self) -> dict[str, str]:
        """Return facts for `evolvent doctor`: interpreter, user, what isolates, what is missing."""
        ...

    def close(self) -> None:
        """Kill every process that it started. May be called twice."""
        ...


@runtime_checkable
class SandboxBuilder(Protocol):
    """A sandbox's factory that can also build what its sandbox needs, such as an image."""

    def build(
        self, settings: Settings, source: str, mirror: str | None, say: Callable[[str], object]
    ) -> dict[str, str]:
        """Build it and try it; an earlier one stays usable until that has succeeded.

        Args:
            settings: of the caller.
            source: what to build from; `auto` lets the builder choose.
            mirror: address of a package mirror, where the source takes one.
            say: gets a line for each step.

        Returns:
            What was built, for people.

        Raises:
            UsageError: there is no such source.
            MissingPrerequisite: the source cannot be had on this machine.
            SandboxLost: what was built does not work, or the engine failed.
        """
        ...


SandboxFactory = Callable[["Settings"], Sandbox]
