"""An httpx transport that connects to one checked address, and ends at one moment.

httpx's own time limits hold for each read, so a server that sends a byte now and then holds them for ever. Here every
operation gets what is left until the end. The name of the URL stays in the Host header, in SNI and in the check of the
certificate; only the connection goes to the address.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from typing import Any, cast

import httpcore
import httpx

__all__ = ["AddressTransport", "TooMuch"]

PIECE = 64 * 1024


class TooMuch(Exception):
    """The server sent more than may be received."""


class _Stream(httpcore.NetworkStream):
    """A connected socket with an end, and a bound on what it receives."""

    def __init__(self, sock: socket.socket, end: float, room: int) -> None:
        self._sock = sock
        self._end = end
        self._room = room

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._room <= 0:
            raise TooMuch
        self._sock.settimeout(_left(self._end))
        data = self._sock.recv(min(max_bytes, self._room))
        self._room -= len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        while view:
            self._sock.settimeout(_left(self._end))
            try:
                view = view[self._sock.send(view[:PIECE]) :]
            except (BrokenPipeError, ConnectionResetError) as error:
                # httpcore then reads what the server said before it closed, such as 413.
                raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self._sock.settimeout(_left(self._end))
        try:
            wrapped = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
        except BaseException:
            self.close()
            raise
        return _Stream(wrapped, self._end, self._room)

    def get_extra_info(self, info: str) -> Any:
        return None


class _Network(httpcore.NetworkBackend):
    def __init__(self, addresses: list[str], end: float, room: int) -> None:
        self._addresses = addresses
        self._end = end
        self._room = room

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failed = OSError("it has no address")
        for tried, address in enumerate(self._addresses):
            try:
                # One address that does not answer leaves time for the others.
                seconds = _left(self._end) / (len(self._addresses) - tried)
                sock = socket.create_connection((address, port), seconds)
            except OSError as error:
                failed = error
                continue
            return _Stream(sock, self._end, self._room)
        raise failed


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time is up")
    return left


class _Body(httpx.SyncByteStream):
    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        cast(Any, self._stream).close()


class AddressTransport(httpx.BaseTransport):
    """Carries one request to one of `addresses`, all of which were checked.

    It raises what the socket raises, `httpcore.ProtocolError` for an answer that is no HTTP, and TooMuch.
    """

    def __init__(self, addresses: list[str], end: float, room: int, verify: ssl.SSLContext | None) -> None:
        """Connect on use.

        Args:
            addresses: tried in this order.
            end: the moment, of `time.monotonic`, at which everything must be done.
            room: bytes that may be received, as they come over the line.
            verify: checks the server's certificate, for https.
        """
        self._pool = httpcore.ConnectionPool(
            ssl_context=verify, max_keepalive_connections=0, network_backend=_Network(addresses, end, room)
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request."""
        response = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
            )
        )
        return httpx.Response(
            response.status, headers=response.headers, stream=_Body(cast("Iterable[bytes]", response.stream))
        )

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()
