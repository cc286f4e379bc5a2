"""How what ran in the sandbox ended, counted in this process for those who watch it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from evolvent.errors import GuestError, SandboxLost, SandboxTimeout
from evolvent.protocols import FunctionServer, GuestHandler, Sandbox, Session, VariableServer
from evolvent.types import CallResult, Execution, JsonValue, Limits, Variation

__all__ = ["Outcomes", "counted"]

What = Literal["command", "function", "session"]


class Outcomes:
    """Counts by what ran, how it ended and which limit ended it; may be asked and told by any thread.

    What ran is a `command`, a call of a `function`, or a call of a guest's `session`. It ended `ok`, `failed` (a
    command), with an `exception`, with what is `not_json`, at a `limit`, or it `died`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[What, str, str]] = Counter()

    def add(self, what: What, outcome: str, limit: str | None = None) -> None:
        """Count one."""
        with self._lock:
            self._counts[what, "ok" if outcome == "value" else outcome, limit or ""] += 1

    def counts(self) -> dict[tuple[What, str, str], int]:
        """Return (what, outcome, name of the limit or empty) -> how many, since the process began."""
        with self._lock:
            return dict(self._counts)


def counted(sandbox: Sandbox, outcomes: Outcomes) -> Sandbox:
    """Return a sandbox that is the given one, and counts."""
    kind = _VariedSandbox if isinstance(sandbox, VariableServer) else _CountedSandbox
    return kind(sandbox, outcomes)


class _Functions:
    """A function server that counts."""

    def __init__(self, inner: Any, outcomes: Outcomes) -> None:
        self._inner, self._outcomes = inner, outcomes

    def __getattr__(self, name: str) -> Any:
        """Whatever else it has is the inner one's."""
        return getattr(self._inner, name)

    def call_function(
        self,
        source: str,
        function: str,
        calls: Sequence[Sequence[JsonValue]],
        limits: Limits | None = None,
    ) -> list[CallResult]:
        results: list[CallResult] = self._inner.call_function(source, function, calls, limits)
        for result in results:
            self._outcomes.add("function", result.outcome, result.limit)
        return results


class _VariedFunctions(_Functions):
    def varied(self, variation: Variation) -> FunctionServer:
        return _Functions(self._inner.varied(variation), self._outcomes)


class _CountedSandbox(_Functions):
    name: str
    isolates: bool

    def __init__(self, inner: Sandbox, outcomes: Outcomes) -> None:
        super().__init__(inner, outcomes)
        self.name, self.isolates = inner.name, inner.isolates

    def run(
        self,
        command: Sequence[str],
        files: Mapping[str, bytes] | None = None,
        limits: Limits | None = None,
        collect: Sequence[str] = (),
    ) -> Execution:
        done: Execution = self._inner.run(command, files, limits, collect)
        self._outcomes.add("command", done.outcome, done.limit)
        return done

    def forkserver(self) -> FunctionServer:
        inner = self._inner.forkserver()
        kind = _VariedFunctions if isinstance(inner, VariableServer) else _Functions
        return kind(inner, self._outcomes)

    def session(self, limits: Limits | None = None) -> Session:
        return _Session(self._inner.session(limits), self._outcomes)

    def describe(self) -> dict[str, str]:
        facts: dict[str, str] = self._inner.describe()
        return facts

    def close(self) -> None:
        self._inner.close()


class _VariedSandbox(_CountedSandbox, _VariedFunctions):
    """A sandbox that can also change what surrounds a call."""


class _Session:
    def __init__(self, inner: Session, outcomes: Outcomes) -> None:
        self._inner, self._outcomes = inner, outcomes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def call(
        self, method: str, params: dict[str, JsonValue], handler: GuestHandler | None = None
    ) -> JsonValue:
        try:
            value = self._inner.call(method, params, handler)
        except GuestError:
            self._outcomes.add("session", "exception")
            raise
        except SandboxTimeout as error:
            self._outcomes.add("session", "limit", error.limit)
            raise
        except SandboxLost:
            self._outcomes.add("session", "died")
            raise
        self._outcomes.add("session", "ok")
        return value

    def close(self) -> None:
        self._inner.close()
