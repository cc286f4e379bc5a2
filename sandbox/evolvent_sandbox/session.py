"""A guest program's session: load files, call functions, answer what they ask."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import Any

from evolvent.errors import GuestError, SandboxLost, SandboxTimeout, UsageError
from evolvent.protocols import GuestHandler
from evolvent.types import JsonValue, Limits
from evolvent_sandbox.exchange import Exchange, explain_loss
from evolvent_sandbox.guests import Guest

__all__ = ["GuestSession", "check_paths"]

METHODS = ("load", "invoke")
MAX_PATH = 1024


class GuestSession:
    """Holds one guest, which nobody else uses. For one thread at a time; any thread may close it."""

    def __init__(self, guest: Guest, limits: Limits, discard: Callable[[Guest], None]) -> None:
        self._guest = guest
        self._limits = limits
        self._discard = discard
        self._exchange = Exchange(guest, limits)
        self._closed = False
        self._guarded("configure", {"limits": limits.model_dump()}, None)

    def call(
        self, method: str, params: dict[str, JsonValue], handler: GuestHandler | None = None
    ) -> JsonValue:
        """Call a method of the guest and serve its requests until it answers.

        `wall_seconds` bounds the time that the guest itself computes; while `handler` runs its clock stands.

        Raises:
            UsageError: unknown method, a path that leaves the working folder, or params that are not JSON.
            GuestError: the guest's code raised.
            SandboxTimeout: a limit ended the guest; it is killed.
            SandboxLost: the guest died or broke the protocol; it is killed.
        """
        if method not in METHODS:
            raise UsageError(f"unknown method {method!r} of a session; there is {', '.join(METHODS)}")
        if self._closed:
            raise SandboxLost("this session is closed")
        return self._guarded(method, _checked(method, params), handler)

    def _guarded(self, method: str, params: dict[str, Any], handler: GuestHandler | None) -> JsonValue:
        try:
            return self._exchange.request(method, params, handler)
        except GuestError:
            raise
        except SandboxTimeout:
            self.close()
            raise
        except SandboxLost as lost:
            reason = explain_loss(self._guest, lost, self._limits)
            self.close()
            raise reason from None
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(f"the params of {method!r} are not plain JSON: {error}") from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Kill the guest and free what it held. May be called twice."""
        if not self._closed:
            self._closed = True
            self._discard(self._guest)

    def __enter__(self) -> GuestSession:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(SandboxLost):
            self.close()


def _checked(method: str, params: dict[str, JsonValue]) -> dict[str, Any]:
    if method == "load":
        files = params.get("files")
        if set(params) != {"files"} or not isinstance(files, dict):
            raise UsageError(f"'load' takes 'files', a mapping of path to text; got {sorted(params)}")
        check_paths(files)
        wrong = [path for path, text in files.items() if not isinstance(text, str)]
        if wrong:
            raise UsageError(f"'load' takes text; the content of {wrong[0]!r} is something else")
        return params
    needed = {"module", "function", "args"}
    if not needed <= set(params) <= needed | {"context"}:
        raise UsageError(f"'invoke' takes {', '.join(sorted(needed))} and context; got {sorted(params)}")
    if not isinstance(params["args"], list):
        raise UsageError(f"'args' of 'invoke' is a list; got {params['args']!r}")
    return {**params, "context": params.get("context") or {}}


def check_paths(paths: Iterable[str]) -> None:
    """Check that relative paths stay in the working folder.

    Raises:
        UsageError: one is empty, absolute, too long, holds a NUL or leaves the folder; the message names it.
    """
    for path in paths:
        parts = path.split("/")
        bad = not path or "\0" in path or len(path) > MAX_PATH or PurePosixPath(path).is_absolute()
        if bad or any(part in ("", ".", "..") for part in parts):
            raise UsageError(
                f"{path!r} is no path inside the working folder: give a relative one without '.' and '..'"
            )
