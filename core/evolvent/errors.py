"""Errors in families, so that a caller can tell whose fault it was.

`UsageError` is the caller's, `MissingPrerequisite` the machine's (and says which command mends it), `RunError`
the run's, `PluginError` a plugin's. The command line prints all of them without a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evolvent.types import Usage

__all__ = [
    "ContractViolation",
    "EvolventError",
    "GuestError",
    "HomeBusy",
    "IntegrityError",
    "MissingPrerequisite",
    "ModelCallError",
    "PluginError",
    "RunError",
    "RunStopped",
    "SandboxGone",
    "SandboxLost",
    "SandboxTimeout",
    "UnknownName",
    "UsageError",
    "error_text",
]


def error_text(error: BaseException, limit: int = 1000) -> str:
    """Return type and message of anybody's error as text that can be stored, whatever its `__str__` does."""
    try:
        text = str(error)
    except BaseException as broken:
        text = f"(its text cannot be had: {type(broken).__name__})"
    text = text.encode("utf-8", "replace").decode()[:limit]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class EvolventError(Exception):
    """Base of every error that Evolvent raises on purpose."""


class UsageError(EvolventError):
    """The caller gave something that cannot be used; the message says what is allowed."""


class UnknownName(UsageError):
    """A name that nothing is registered or stored under."""

    def __init__(self, what: str, name: str, known: Iterable[str], hint: str = "") -> None:
        choices = sorted(known)
        close = difflib.get_close_matches(name, choices, n=1)
        message = f"unknown {what} {name!r}"
        if close:
            message += f"; did you mean {close[0]!r}?"
        shown = ", ".join(choices[:20]) + (f", … ({len(choices)} in all)" if len(choices) > 20 else "")
        message += f" Known: {shown or 'none'}." if close else f"; known: {shown or 'none'}."
        super().__init__(f"{message} {hint}".rstrip())
        self.what, self.name, self.known = what, name, choices


class HomeBusy(UsageError):
    """Another process holds the home's writer lock."""


class MissingPrerequisite(EvolventError):
    """Something must be installed or fetched first."""

    def __init__(self, what: str, command: str) -> None:
        super().__init__(f"{what}\n  mend it with: {command}")
        self.what, self.command = what, command


class IntegrityError(EvolventError):
    """Data does not match its hash or its schema."""


class RunError(EvolventError):
    """A run could not go on."""


class ModelCallError(RunError):
    """The model did not answer, retries included."""

    _used: Usage | None = None

    @property
    def used(self) -> Usage:
        """What was used before for nothing: by the attempt that ended so, and by those that it was to be part of."""
        from evolvent.types import Usage

        return self._used or Usage()

    @used.setter
    def used(self, usage: Usage) -> None:
        self._used = usage


class RunStopped(BaseException):
    """A run was asked to stop and has; it can go on later. Not an `Exception`: nobody who catches those may go on."""


class GuestError(RunError):
    """The guest's code raised; `kind` is the exception's type name inside the sandbox."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}" if message else kind)
        self.kind, self.message = kind, message


class SandboxTimeout(RunError):
    """A sandbox was ended by its clock; `limit` names the `Limits` field."""

    def __init__(self, message: str, limit: str = "wall_seconds") -> None:
        super().__init__(message)
        self.limit = limit


class SandboxLost(RunError):
    """The process in the sandbox ended or broke the protocol."""


class SandboxGone(SandboxLost):
    """What ran the process in the sandbox ended, and the process with it: that says nothing about its code.

    It may be run again in a fresh guest. Who runs it again and again stops after a few times, as before a code that
    somehow brings this about.
    """


class PluginError(EvolventError):
    """A plugin misbehaved; `plugin` names it."""

    def __init__(self, plugin: str, message: str) -> None:
        super().__init__(f"plugin {plugin!r}: {message}")
        self.plugin = plugin


class ContractViolation(PluginError):
    """A plugin returned or registered something that its hook does not allow."""
