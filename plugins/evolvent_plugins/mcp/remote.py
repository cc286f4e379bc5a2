"""A server that runs elsewhere: the SDK's streamable HTTP transport, with a bound on every answer."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial

import httpcore
import httpx
from mcp.client.streamable_http import streamable_http_client

from evolvent_plugins.mcp.config import ServerConfig, expand
from evolvent_plugins.mcp.errors import ServerFailed
from evolvent_plugins.mcp.streams import Streams

__all__ = ["RESPONSE_BYTES", "remote_streams"]

RESPONSE_BYTES = 8 * 1024 * 1024


@contextlib.asynccontextmanager
async def remote_streams(
    name: str, config: ServerConfig, broke: Callable[[BaseException], None]
) -> AsyncIterator[Streams]:
    """Yield the streams of a server behind a URL; nothing is sent yet.

    Args:
        name: of the server, for errors.
        config: of the server; `url` is set.
        broke: is told when an answer broke off, which the SDK keeps to itself.

    Raises:
        UsageError: an environment variable that the file names is not set.
    """
    where = f"the MCP server {name!r}"
    url = expand(config.url or "", f"{where}, url")
    headers = {key: expand(value, f"{where}, headers.{key}") for key, value in config.headers.items()}
    client = httpx.AsyncClient(
        headers={"accept-encoding": "identity", **headers},
        timeout=httpx.Timeout(config.timeout, read=config.timeout + 5),
        event_hooks={"response": [partial(_bound, broke)]},
    )
    async with client, streamable_http_client(url, http_client=client) as (incoming, outgoing, _):
        yield Streams(incoming, outgoing, lambda: False)


async def _bound(broke: Callable[[BaseException], None], response: httpx.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ServerFailed("compressed its response, which was not asked for")  # a bomb would fit the bound
    assert isinstance(response.stream, httpx.AsyncByteStream)
    # The other stream, of GET, is for notifications; servers close it as they like.
    response.stream = _Bounded(response.stream, broke if response.request.method == "POST" else None)


class _Bounded(httpx.AsyncByteStream):
    """A body that breaks off when it grows too large."""

    def __init__(self, stream: httpx.AsyncByteStream, broke: Callable[[BaseException], None] | None) -> None:
        self._stream = stream
        self._broke = broke

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for chunk in self._stream:
                size += len(chunk)
                if size > RESPONSE_BYTES:
                    raise ServerFailed(f"sent a response of more than {RESPONSE_BYTES} bytes")
                yield chunk
        except (ServerFailed, httpx.HTTPError, httpcore.NetworkError, httpcore.ProtocolError) as error:
            if self._broke is not None:
                self._broke(error)
            raise

    async def aclose(self) -> None:
        await self._stream.aclose()
