"""The host's side of the function server: every call gets an entry of its own, whatever the others do."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from typing import Any

from evolvent.errors import GuestError, SandboxGone, SandboxLost, SandboxTimeout, UsageError
from evolvent.types import CallResult, JsonValue, Limits, Variation
from evolvent_sandbox import strict_json
from evolvent_sandbox.exchange import CALL_OVERHEAD, Exchange, explain_loss
from evolvent_sandbox.guests import Guest

__all__ = ["Batch"]

MAX_GONE = 3
"""Times that a call is begun where what runs its guest ends during it; then that counts as the call's own end."""
GRACE_SECONDS = 2.0
"""What the guest gets beyond a call's wall clock to end it by itself and report."""
REPLY_OUTCOMES = ("value", "exception", "not_json", "limit")
MAX_ERROR = 500


class Batch:
    """Calls of one function, spread over as many guests as it takes: one, unless a call spoils its guest."""

    def __init__(
        self,
        source: str,
        function: str,
        calls: Sequence[Sequence[JsonValue]],
        limits: Limits,
        variation: Variation | None = None,
    ) -> None:
        self.limits = limits
        self.results: list[CallResult] = []
        self._source = source
        self._function = function
        self._variation = variation
        self._calls = [list(args) for args in calls]
        self._gone = 0
        """Guests that went with what ran them during the call that is next."""

    @property
    def unfinished(self) -> bool:
        """Whether calls are left."""
        return len(self.results) < len(self._calls)

    def serve(self, guest: Guest) -> bool:
        """Make calls in a guest until none is left or the guest must not be used again; at least one.

        A call during which what runs the guest ends is left for another guest.

        Returns whether the guest is as it was before, and nothing but a value or an error came of the calls.

        Raises:
            SandboxLost: what runs the guest is gone.
            UsageError: the arguments are not plain JSON.
        """
        exchange = Exchange(guest, self.limits)
        before = len(self.results)
        while self.unfinished:
            try:
                result, clean = self._make(guest, exchange, self._calls[len(self.results)])
            except SandboxGone as gone:
                self._gone += 1
                if self._gone < MAX_GONE:
                    return False
                result, clean = CallResult(outcome="died", error=str(gone)[:MAX_ERROR]), False
            self._gone = 0
            self.results.append(result)
            guest.calls += 1
            if not clean:
                return False
        return all(result.outcome not in ("died", "limit") for result in self.results[before:])

    def _make(self, guest: Guest, exchange: Exchange, args: list[JsonValue]) -> tuple[CallResult, bool]:
        """Make one call; return its entry and whether the guest can make another."""
        limits = self.limits
        guest.out_of_memory()  # what earlier calls were killed for is not this one's
        call = {
            "source": self._source,
            "function": self._function,
            "args": args,
            "limits": limits.model_dump(),
        }
        if self._variation is not None:
            call["variation"] = self._variation.model_dump()
        try:
            attached = json.dumps(call, allow_nan=False, separators=(",", ":")).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(f"the arguments of {self._function!r} are not plain JSON: {error}") from None
        wait = limits.wall_seconds + GRACE_SECONDS
        try:
            said = exchange.request(
                "call_function",
                {},
                seconds=wait,
                max_bytes=6 * limits.output_bytes + CALL_OVERHEAD,
                attached=attached,
            )
            if not isinstance(said, dict):
                raise SandboxLost("the guest broke the protocol: what came of a call is no object")
            reply = exchange.receive_raw(wait, limits.value_bytes + 4096) if said.get("reply") else None
            clean = exchange.receive_object(wait, 64) == {"clean": True}
        except SandboxTimeout as error:
            return _ended_by(error.limit, limits, seconds=limits.wall_seconds), False
        except GuestError as error:
            raise SandboxLost(f"the function server failed: {error}") from None
        except SandboxLost as lost:
            reason = explain_loss(guest, lost, limits)
            if isinstance(reason, SandboxTimeout):
                return _ended_by(reason.limit, limits), False
            if isinstance(reason, SandboxGone):
                raise reason from None
            return CallResult(outcome="died", error=str(reason)[:MAX_ERROR]), False
        if reply is None and said.get("exit_code") == -signal.SIGKILL and guest.out_of_memory():
            said["out_of_memory"] = True
        return _judge(said, reply, limits), clean


def _judge(part: dict[str, JsonValue], reply: bytes | None, limits: Limits) -> CallResult:
    """Turn what the guest reports of one call into its entry."""
    seconds, stdout, limit = part.get("seconds"), part.get("stdout"), part.get("limit")
    common: dict[str, Any] = {
        "seconds": float(seconds) if isinstance(seconds, int | float) else 0.0,
        "stdout": stdout[: limits.output_bytes] if isinstance(stdout, str) else "",
    }
    if reply is not None:
        return CallResult(**{**_read_reply(reply, limits), **common})
    if isinstance(limit, str) and limit in Limits.model_fields:
        return _ended_by(limit, limits, **common)
    if part.get("out_of_memory") is True and part.get("exit_code") == -signal.SIGKILL:
        return _ended_by("total_memory_bytes", limits, **common)
    if part.get("too_large") is True:
        error = f"the value takes more than {limits.value_bytes} bytes of JSON (value_bytes)"
        return CallResult(outcome="not_json", error=error, **common)
    return CallResult(outcome="died", error=_say_exit(part.get("exit_code")), **common)


def _read_reply(reply: bytes, limits: Limits) -> dict[str, Any]:
    """Parse what the untrusted process itself said."""
    try:
        said = strict_json.loads(reply, limits.value_bytes + 4096)
    except strict_json.StrictJsonError as error:
        return {"outcome": "not_json", "error": f"the reply is not plain JSON: {error}"[:MAX_ERROR]}
    outcome = said.get("outcome") if isinstance(said, dict) else None
    if not isinstance(said, dict) or outcome not in REPLY_OUTCOMES:
        return {"outcome": "died", "error": "the process sent something that is no reply"}
    if outcome == "value":
        return {"outcome": "value", "value": said.get("value")}
    message, line, limit = said.get("error"), said.get("line"), said.get("limit")
    text = message if isinstance(message, str) else ""
    if outcome == "limit":
        if not isinstance(limit, str) or limit not in Limits.model_fields:
            return {"outcome": "died", "error": "the process sent something that is no reply"}
        text = f"{limit}: {text}"
    return {
        "outcome": outcome,
        "limit": limit if outcome == "limit" else None,
        "error": text[:MAX_ERROR],
        "line": line if type(line) is int and 0 < line < 10**7 else None,
    }


def _ended_by(limit: str, limits: Limits, **common: Any) -> CallResult:
    allowed = getattr(limits, limit, None)
    error = f"{limit}: the call was ended at its limit of {allowed}"
    return CallResult(outcome="limit", limit=limit, error=error[:MAX_ERROR], **common)


def _say_exit(code: JsonValue) -> str:
    if not isinstance(code, int):
        return "the process ended without answering"
    if code >= 0:
        return f"the process ended with exit code {code} without answering"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    return f"the process was ended by signal {name} without answering"
