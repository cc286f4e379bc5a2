"""The host's end of a guest's pipe."""

from __future__ import annotations

import contextlib
import socket
import threading

__all__ = ["GuestPipe"]


class GuestPipe:
    """A connected socket that one thread uses and any thread may close.

    A descriptor's number belongs to somebody else as soon as it is closed, and a thread that waits on it would wait on
    that from then on. So closing ends what the other thread waits for, lets it leave, and only then closes.
    """

    def __init__(self, connection: socket.socket) -> None:
        """Take over a connection."""
        self._connection = connection
        self._using = threading.Lock()
        self._closing = threading.Lock()
        self._closed = False

    def settimeout(self, value: float | None, /) -> None:
        """Bound every operation from now on, in seconds."""
        with self._using:
            self._connection.settimeout(value)

    def sendall(self, data: bytes, /) -> None:
        """Send all bytes."""
        with self._using:
            self._connection.sendall(data)

    def recv(self, bufsize: int, /) -> bytes:
        """Return some bytes, at most `bufsize`; none when either end has closed."""
        with self._using:
            return self._connection.recv(bufsize)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable; -1 once it is closed."""
        return self._connection.fileno()

    def close(self) -> None:
        """End what another thread does with it, and close. May be called twice."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            with self._using:
                self._drain(self._connection)
                self._connection.close()

    def _drain(self, connection: socket.socket) -> None:
        """Read away what has arrived, where that matters."""
