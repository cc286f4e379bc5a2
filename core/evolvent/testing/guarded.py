"""Running somebody else's code so that it can neither stop nor delay the caller for long."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from evolvent.errors import MissingPrerequisite

__all__ = ["TookTooLong", "guarded", "missing_prerequisite"]

T = TypeVar("T")


class TookTooLong(Exception):
    """It did not end in time; its thread cannot be ended and goes on."""


def guarded(call: Callable[[], T], seconds: float | None) -> T:
    """Return what a call returns, made in a thread of its own; what it prints goes to stderr.

    Args:
        call: the call.
        seconds: after which it is given up; None: never.

    Raises:
        TookTooLong: it did not end within `seconds`.
        BaseException: what the call raised, SystemExit included.
    """
    thread = _Call(call)
    with contextlib.redirect_stdout(sys.stderr):
        thread.start()
        thread.join(seconds)
    if thread.is_alive():
        raise TookTooLong(f"did not end within {seconds:g} s")
    if thread.error is not None:
        raise thread.error
    return thread.value


class _Call(threading.Thread, Generic[T]):
    """Makes one call; a daemon, so that one that hangs does not keep the process alive."""

    value: T

    def __init__(self, call: Callable[[], T]) -> None:
        super().__init__(name="evolvent-check", daemon=True)
        self.error: BaseException | None = None
        self._call = call

    def run(self) -> None:
        """Make the call."""
        try:
            self.value = self._call()
        except KeyboardInterrupt:
            self.error = RuntimeError(
                "raised KeyboardInterrupt"
            )  # not a person's: theirs go to the main thread
        except BaseException as error:
            self.error = error


def missing_prerequisite(error: BaseException | None) -> MissingPrerequisite | None:
    """Return the MissingPrerequisite that an error is, or comes from."""
    while error is not None:
        if isinstance(error, MissingPrerequisite):
            return error
        error = error.__cause__
    return None
