"""What happens, as it happens: server-sent events that go on where they were left."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent

from evolvent.daemon.api.context import Context, Here
from evolvent.daemon.api.feed import Entry
from evolvent.daemon.api.problems import Problem
from evolvent.daemon.api.security import READ, Reader
from evolvent.daemon.api.streams import EventStream
from evolvent.daemon.api.threads import in_thread
from evolvent.types import Event

__all__ = ["Numbered", "router"]

router = APIRouter(prefix="/events", tags=["events"])

RETRY_MS = 1000
"""Milliseconds after which a client comes back that lost its connection."""
NUMBER = re.compile(r"\d{1,18}", re.ASCII)


class Numbered(BaseModel):
    """An entry of the ledger with its number."""

    number: int
    event: Event


@router.get(
    "",
    dependencies=[READ],
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream_events(
    request: Request,
    here: Here,
    token: Reader,
    kind: Annotated[list[str] | None, Query(description="Only events of these kinds.")] = None,
    run_id: Annotated[str | None, Query(max_length=200, description="Only events of this run.")] = None,
    after: Annotated[
        str | None, Query(max_length=40, description="A number to begin after; 0: from the first event on.")
    ] = None,
    last_event_id: Annotated[
        str | None,
        Header(alias="Last-Event-ID", description="Where the last stream ended; goes before `after`."),
    ] = None,
) -> Response:
    """Stream the ledger from now on, or from where a stream ended. `id` is the event's number, `event` its kind."""
    place = last_event_id if last_event_id is not None else after
    number = here.feed.last if place is None else await _number(here, place)
    kinds = None if kind is None else set(kind)

    def wanted(entry: Entry) -> bool:
        return (kinds is None or entry.kind in kinds) and run_id in (None, entry.run_id)

    bearer = request.headers["authorization"].partition(" ")[2]

    async def stream() -> AsyncIterator[ServerSentEvent | bytes]:
        # An id without data sets where a client goes on that is cut off before the first event.
        yield ServerSentEvent(id=str(number), retry=RETRY_MS)
        async for entries in here.feed.after(number):
            frames = [entry.frame for entry in entries if wanted(entry)]
            if frames:
                yield b"".join(frames)
            elif not entries and await in_thread(here.tokens.check, bearer) is None:
                return  # it was revoked, or its time ran out

    return EventStream(stream(), here.streams, token)


async def _number(here: Context, text: str) -> int:
    if not NUMBER.fullmatch(text):
        raise Problem(
            400,
            "malformed-event-id",
            f"{text!r} is no number of an event; give the last `id` that you saw, 0 for all, or nothing for new ones",
        )
    number = int(text)
    newest = await in_thread(here.daemon.runtime.ledger.last_number)
    if number > newest:
        raise Problem(
            400,
            "malformed-event-id",
            f"{number} is after the newest event, {newest}: this ledger is not the one that you heard; leave it out",
        )
    return number
