"""The host's side of the function server: every call gets an entry of its own, whatever the others do."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import Any

from evolvent.errors import GuestError, SandboxLost, SandboxTimeout
from evolvent.types import CallResult, JsonValue, Limits
from evolvent_sandbox import strict_json
from evolvent_sandbox.exchange import CALL_OVERHEAD, Exchange, explain_loss
from evolvent_sandbox.guest_process import GuestProcess

__all__ = ["Batch"]

GRACE_SECONDS = 2.0
"""What the guest gets beyond a call's wall clock to end it by itself and report."""
REPLY_OUTCOMES = ("value", "exception", "not_json", "limit")
MAX_ERROR = 500


class Batch:
    """Calls of one function, spread over as many guests as it takes: one, unless a call breaks its guest."""

    def __init__(
        self, source: str, function: str, calls: Sequence[Sequence[JsonValue]], limits: Limits
    ) -> None:
        self.limits = limits
        self.results: list[CallResult] = []
        self._source = source
        self._function = function
        self._calls = [list(args) for args in calls]

    @property
    def unfinished(self) -> bool:
        """Whether calls are left."""
        return len(self.results) < len(self._calls)

    def serve(self, guest: GuestProcess) -> None:
        """Make the next calls in a fresh guest; at least one entry is added.

        Raises:
            SandboxLost: the guest failed before the code could have any part in it.
        """
        limits = self.limits
        exchange = Exchange(guest, limits)
        params = {
            "source": self._source,
            "function": self._function,
            "calls": self._calls[len(self.results) :],
            "limits": limits.model_dump(),
        }
        before = len(self.results)
        wait = limits.wall_seconds + GRACE_SECONDS
        try:
            exchange.request(
                "call_function",
                params,
                seconds=wait,
                max_bytes=6 * limits.output_bytes + CALL_OVERHEAD,
                on_part=self._collector(exchange, before, wait),
            )
        except SandboxTimeout as error:
            self.results.append(_ended_by(error.limit, limits, seconds=limits.wall_seconds))
        except GuestError as error:
            raise SandboxLost(f"the function server failed: {error}") from None
        except SandboxLost as lost:
            reason = explain_loss(guest, lost, limits)
            self.results.append(CallResult(outcome="died", error=str(reason)[:MAX_ERROR]))
        if len(self.results) == before and self._calls:
            raise SandboxLost("the function server answered without making a call")

    def _collector(
        self, exchange: Exchange, before: int, wait: float
    ) -> Callable[[dict[str, JsonValue]], None]:
        def collect(part: dict[str, JsonValue]) -> None:
            if part.get("index") != len(self.results) - before or not self.unfinished:
                raise SandboxLost("the guest broke the protocol: a call's answer is out of order")
            reply = exchange.receive_raw(wait, self.limits.value_bytes + 4096) if part.get("reply") else None
            self.results.append(_judge(part, reply, self.limits))

        return collect


def _judge(part: dict[str, JsonValue], reply: bytes | None, limits: Limits) -> CallResult:
    """Turn what the guest reports of one call into its entry."""
    seconds, stdout, limit = part.get("seconds"), part.get("stdout"), part.get("limit")
    common: dict[str, Any] = {
        "seconds": float(seconds) if isinstance(seconds, int | float) else 0.0,
        "stdout": stdout[: limits.output_bytes] if isinstance(stdout, str) else "",
    }
    if reply is not None:
        return CallResult(**{**_read_reply(reply, limits), **common})
    if isinstance(limit, str):
        return _ended_by(limit, limits, **common)
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
    if outcome == "limit" and isinstance(limit, str):
        text = f"{limit}: {text}"
    return {
        "outcome": outcome,
        "error": text[:MAX_ERROR],
        "line": line if type(line) is int and 0 < line < 10**7 else None,
    }


def _ended_by(limit: str, limits: Limits, **common: Any) -> CallResult:
    allowed = getattr(limits, limit, None)
    error = f"{limit}: the call was ended at its limit of {allowed}"
    return CallResult(outcome="limit", error=error[:MAX_ERROR], **common)


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
