"""What can go wrong with a server."""

from __future__ import annotations

from evolvent.errors import EvolventError

__all__ = ["CallFailed", "Gone", "NotSent", "ServerFailed", "TookTooLong"]


class ServerFailed(EvolventError):
    """A server cannot be reached, or does not keep to the protocol."""


class CallFailed(EvolventError):
    """A call of a tool got no result; the message is for the guest."""


class Gone(CallFailed):
    """The connection broke after the call was sent: it may have had its effects."""


class NotSent(CallFailed):
    """The connection was broken before the call was sent: it can be sent again."""


class TookTooLong(CallFailed):
    """No answer within the server's time-out."""
