"""The host's side of the conversation: one request, its answer, and what the guest asks in between."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from evolvent.errors import GuestError, SandboxGone, SandboxLost, SandboxTimeout
from evolvent.protocols import GuestHandler
from evolvent.types import JsonValue, Limits
from evolvent_sandbox import strict_json
from evolvent_sandbox.guests import Guest

__all__ = ["CALL_OVERHEAD", "Exchange", "explain_loss", "parse_object", "wait_ready"]

BOOT_SECONDS = 30.0
CALL_OVERHEAD = 16 * 1024
"""Bytes of a frame beside the value that it carries."""


def wait_ready(guest: Guest, seconds: float = BOOT_SECONDS) -> None:
    """Wait until a guest that was just started reports.

    Raises:
        SandboxLost: it ended instead; the message ends with what it said on stderr.
        SandboxTimeout: it is still silent.
    """
    try:
        report = parse_object(guest.receive(seconds, 4096), 4096)
    except SandboxLost:
        end = guest.wait(2.0, Limits())
        said = guest.said().strip()
        raise SandboxLost(f"the guest did not start ({end}): {said or 'it said nothing'}") from None
    if report.get("ready") is not True:
        raise SandboxLost(f"the guest did not report that it is ready: {str(report)[:200]!r}")
    guest.mark_ready()


def parse_object(data: bytes, max_bytes: int) -> dict[str, JsonValue]:
    """Parse a frame that must be a JSON object.

    Raises:
        SandboxLost: it is not strict, bounded JSON, or no object.
    """
    try:
        value = strict_json.loads(data, max_bytes)
    except strict_json.StrictJsonError as error:
        raise SandboxLost(f"the guest broke the protocol: {error}") from None
    if not isinstance(value, dict):
        raise SandboxLost(f"the guest broke the protocol: a frame is a {type(value).__name__}, not an object")
    return value


def explain_loss(guest: Guest, lost: SandboxLost, limits: Limits) -> SandboxLost | SandboxTimeout:
    """Return the error to raise for a guest whose pipe broke: a limit, where its end shows one."""
    end = guest.wait(1.0, limits)
    if end is None:
        return lost
    if end.limit is not None:
        allowed = getattr(limits, end.limit)
        return SandboxTimeout(f"the guest was ended at its limit of {allowed} ({end.limit})", end.limit)
    if guest.orphaned:
        return SandboxGone(f"{lost}; the process that it was forked from has ended, and it with it")
    return SandboxLost(f"{lost}; it ended with {end}")


class Exchange:
    """Sends requests to one guest, and answers the guest's own while waiting.

    The wall clock of a request runs while the guest computes, not while the host answers it.
    """

    def __init__(self, guest: Guest, limits: Limits) -> None:
        self._guest = guest
        self._limits = limits
        self._number = 0

    def request(
        self,
        method: str,
        params: dict[str, Any],
        handler: GuestHandler | None = None,
        seconds: float | None = None,
        max_bytes: int | None = None,
        on_part: Callable[[dict[str, JsonValue]], None] | None = None,
        attached: bytes | None = None,
    ) -> JsonValue:
        """Send a request and return its result.

        Args:
            method: the guest's method.
            params: plain JSON.
            handler: answers the guest's requests.
            seconds: wall clock, by default the limits'; a part of the answer starts it anew.
            max_bytes: bound of one frame, by default the limits'.
            on_part: gets each partial answer.
            attached: follows as a frame of its own.

        Raises:
            GuestError: the guest answered with an error.
            SandboxTimeout: the wall clock ran out, or another limit ended the guest.
            SandboxLost: the guest died or broke the protocol.
        """
        self._number += 1
        allowed = self._limits.wall_seconds if seconds is None else seconds
        size = self._limits.value_bytes + CALL_OVERHEAD if max_bytes is None else max_bytes
        left = allowed
        started = time.monotonic()
        self._send({"id": self._number, "method": method, "params": params}, left)
        if attached is not None:
            self._guest.send(attached, left)
        while True:
            left -= time.monotonic() - started
            started = time.monotonic()
            message = parse_object(self._guest.receive(max(left, 0.001), size), size)
            if "method" in message:
                left -= time.monotonic() - started
                reply = self._answer(message, handler)
                started = (
                    time.monotonic()
                )  # the guest's clock stands while the host works, not while it waits
                self._send(reply, max(left, 0.001))
            elif "part" in message and on_part is not None:
                on_part(_member(message, "part"))
                left, started = allowed, time.monotonic()
            else:
                return self._result(message)

    def receive_object(self, seconds: float, max_bytes: int) -> dict[str, JsonValue]:
        """Return the next frame, which must be a JSON object.

        Raises:
            SandboxTimeout: none arrived in time.
            SandboxLost: the guest is gone, or the frame is something else.
        """
        return parse_object(self._guest.receive(seconds, max_bytes), max_bytes)

    def receive_raw(self, seconds: float, max_bytes: int) -> bytes:
        """Return the next frame as it is.

        Raises:
            SandboxTimeout: none arrived in time.
            SandboxLost: the guest is gone or the frame is too large.
        """
        return self._guest.receive(seconds, max_bytes)

    def _send(self, message: dict[str, Any], seconds: float) -> None:
        self._guest.send(json.dumps(message, allow_nan=False, separators=(",", ":")).encode(), seconds)

    def _result(self, message: dict[str, JsonValue]) -> JsonValue:
        if message.get("id") != self._number or isinstance(message.get("id"), bool):
            raise SandboxLost(f"the guest answered request {message.get('id')!r}, not {self._number}")
        if set(message) == {"id", "result"}:
            return message["result"]
        if set(message) != {"id", "error"}:
            raise SandboxLost(f"the guest sent a frame with the members {sorted(message)}")
        error = _member(message, "error")
        kind, text, limit = error.get("kind"), error.get("message"), error.get("limit")
        if not isinstance(kind, str) or not isinstance(text, str):
            raise SandboxLost("the guest sent an error without kind and message")
        if isinstance(limit, str) and limit in Limits.model_fields:
            raise SandboxTimeout(f"the guest reached its {limit}: {kind}: {text}"[:600], limit)
        raise GuestError(kind[:100], text[:2000])

    def _answer(self, message: dict[str, JsonValue], handler: GuestHandler | None) -> dict[str, Any]:
        number, method, params = message.get("id"), message.get("method"), message.get("params")
        if set(message) != {"id", "method", "params"} or type(number) is not int:
            raise SandboxLost(f"the guest sent a request with the members {sorted(message)}")
        if not isinstance(method, str) or not isinstance(params, dict):
            raise SandboxLost(
                "the guest sent a request whose method is no text or whose params are no object"
            )
        reply: dict[str, Any] = {"id": number}
        try:
            if handler is None:
                raise PermissionError(f"nobody answers {method!r} here")
            reply["result"] = handler(method, params)
            json.dumps(reply, allow_nan=False)
        except GuestError as error:  # what a handler refuses in the guest's own terms
            reply["error"] = {"kind": error.kind, "message": error.message}
        except Exception as error:
            reply.pop("result", None)
            reply["error"] = {"kind": type(error).__name__, "message": str(error)}
        return reply


def _member(message: dict[str, JsonValue], name: str) -> dict[str, JsonValue]:
    value = message.get(name)
    if not isinstance(value, dict):
        raise SandboxLost(f"the guest broke the protocol: {name!r} is no object")
    return value
