"""Events as pieces of a page: server-sent, escaped, from where a stream ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response
from sse_starlette import ServerSentEvent

from evolvent.daemon.api.context import Here
from evolvent.daemon.api.events import NUMBER, RETRY_MS
from evolvent.daemon.api.feed import Entry
from evolvent.daemon.api.streams import EventStream
from evolvent.daemon.api.threads import in_thread
from evolvent.daemon.dashboard.happenings import QUIET, happening
from evolvent.daemon.dashboard.rendering import POLICY, fragment
from evolvent.daemon.dashboard.session import Looks
from evolvent.types import Event

__all__ = ["newest_events", "router"]

router = APIRouter()

KEPT = 1_000
"""Rendered events that are kept."""


@router.get("/live")
async def live(
    here: Here,
    viewer: Looks,
    after: Annotated[str, Query(max_length=40)] = "",
    last_event_id: Annotated[str, Header(alias="Last-Event-ID")] = "",
) -> Response:
    """Stream what happens after a number, each event as an item of a list.

    A number that cannot be is one of another ledger (a home that was restored): the stream begins with what is new.
    """
    given = last_event_id or after
    newest = await in_thread(here.daemon.runtime.ledger.last_number)
    number = int(given) if NUMBER.fullmatch(given) and int(given) <= newest else newest

    async def stream() -> AsyncIterator[ServerSentEvent | bytes]:
        yield ServerSentEvent(id=str(number), retry=RETRY_MS)
        async for entries in here.feed.after(number):
            frames = [_frame(entry) for entry in entries if entry.kind not in QUIET]
            if frames:
                yield b"".join(frames)
            elif not entries and await in_thread(here.sessions.check, viewer.secret) is None:
                return  # it was ended, or its token was

    return EventStream(stream(), here.streams, viewer.token, {"Content-Security-Policy": POLICY})


def newest_events(here: Here, limit: int, run_id: str | None = None) -> tuple[int, list[tuple[int, Event]]]:
    """Return the number of the newest event, and the newest events with their numbers, newest first.

    Args:
        here: the daemon.
        limit: how many are looked at; quiet ones among them are left out.
        run_id: only of this run, from its beginning on.
    """
    ledger = here.daemon.runtime.ledger
    last = ledger.last_number()
    found = ledger.after(max(0, last - limit) if run_id is None else 0, limit, run_id)
    return last, [(number, event) for number, event in found if event.kind not in QUIET][::-1]


def _frame(entry: Entry) -> bytes:
    """Return an event as it is sent; rendered once for all who look, who ask for it at the same time."""
    known = _rendered.get(entry.frame)
    if known is None:
        if len(_rendered) >= KEPT:
            _rendered.clear()
        number, event = entry.number, entry.event
        lines = fragment(None, "event.html", number=number, at=event.at, said=happening(event)).splitlines()
        data = "".join(f"data: {line}\n" for line in lines)
        known = _rendered[entry.frame] = f"id: {number}\nevent: entry\n{data}\n".encode("utf-8", "replace")
    return known


_rendered: dict[bytes, bytes] = {}
"""Frame of an event -> what pages get of it; only used on the event loop."""
