"""What the routes work with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from evolvent.daemon.api.callers import Callers
from evolvent.daemon.api.current_archive import CurrentArchive
from evolvent.daemon.api.feed import Feed
from evolvent.daemon.api.history import History
from evolvent.daemon.api.limits import Rates
from evolvent.daemon.api.memo import Memo
from evolvent.daemon.api.streams import Streams
from evolvent.daemon.login_codes import LoginCodes
from evolvent.daemon.service import Daemon
from evolvent.library.called_by import CalledBy
from evolvent.settings import Settings
from evolvent.storage import Sessions, Tokens

__all__ = ["Context", "Here", "context"]


@dataclass(frozen=True)
class Context:
    """One daemon's application."""

    daemon: Daemon
    settings: Settings
    tokens: Tokens
    callers: Callers
    rates: Rates
    feed: Feed
    streams: Streams
    archive: CurrentArchive = field(repr=False)
    sessions: Sessions
    viewers: Callers
    """Those who are logged in to the dashboard."""
    memo: Memo
    codes: LoginCodes
    history: History
    called_by: CalledBy


def context(request: Request) -> Context:
    """Return the context of the application that got a request."""
    found: Context = request.app.state.context
    return found


Here = Annotated[Context, Depends(context)]
