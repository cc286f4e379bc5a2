"""Running somebody else's code so that it can neither stop nor delay the caller for long."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

from evolvent.errors import MissingPrerequisite
from evolvent.plugins import RELAY, Call, TookTooLong

__all__ = ["TookTooLong", "guarded", "missing_prerequisite"]

T = TypeVar("T")


def guarded(call: Callable[[], T], seconds: float | None) -> T:
    """Return what a call returns, made on a thread that can be left behind; what it prints goes to stderr.

    Args:
        call: the call.
        seconds: after which it is given up; None: never.

    Raises:
        TookTooLong: it did not end within `seconds`.
        BaseException: what the call raised, SystemExit included.
    """
    with contextlib.redirect_stdout(sys.stderr):
        (outcome,) = RELAY.run([Call(call, threading.TIMEOUT_MAX if seconds is None else seconds)])
    if isinstance(outcome.error, KeyboardInterrupt):  # not a person's: theirs go to the main thread
        raise RuntimeError("raised KeyboardInterrupt") from outcome.error
    if outcome.error is not None:
        raise outcome.error
    value: T = outcome.value
    return value


def missing_prerequisite(error: BaseException | None) -> MissingPrerequisite | None:
    """Return the MissingPrerequisite that an error is, or comes from."""
    while error is not None:
        if isinstance(error, MissingPrerequisite):
            return error
        error = error.__cause__
    return None
