"""The daemon's process: one for each home, served over HTTP, drained when it is told to end."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING

from evolvent.daemon.api import ApiServer, check_listen, make_app
from evolvent.daemon.heap import Heap
from evolvent.daemon.place import Place, find, forget
from evolvent.daemon.service import Daemon
from evolvent.daemon.supervisor import tell
from evolvent.errors import HomeBusy, RunError, UsageError
from evolvent.runtime import Runtime
from evolvent.storage import Home, Tokens
from evolvent.storage.tokens import local_token

if TYPE_CHECKING:
    from evolvent.settings import Settings

__all__ = ["serve"]

STOP_SECONDS = 15.0
"""That the server, and what the runtime holds, may take to end."""


def serve(
    settings: Settings,
    *,
    background: bool = True,
    ready: Callable[[Place], object] = lambda _: None,
    open_runtime: Callable[[Settings], Runtime] = Runtime,
) -> bool:
    """Be the daemon of a home until SIGTERM or SIGINT; for the main thread.

    What is being done is given back then, within `daemon_drain_seconds`. A second signal ends at once: a kill loses
    nothing.

    Args:
        settings: how everything is set up.
        background: whether something is done in idle time.
        ready: hears where it is, once it takes jobs; a supervisor that set `NOTIFY_SOCKET` hears it, too.
        open_runtime: opens the home; default: with the model of the settings.

    Returns:
        Whether every job stopped in time. The threads of those that did not may still be there: end the process by
        `os._exit`, which loses nothing.

    Raises:
        HomeBusy: another process has the home, a second daemon, say.
        UsageError: the port is taken, the address is not this machine's, or nobody has a token for it.
        MissingPrerequisite: no usable sandbox.
        RunError: the HTTP server ended by itself.
    """
    home = Home(settings.home)
    there = find(home)
    if there is not None:
        raise HomeBusy(
            f"a daemon of the home {str(home.path)!r} runs already: process {there.pid} at {there.url}. See it with "
            "`evolvent daemon status`, end it with `evolvent daemon stop`, or use another EVOLVENT_HOME"
        )
    home.create()
    heap = Heap()
    heap.share()
    with contextlib.ExitStack() as closing:
        listener = closing.enter_context(_listening(settings))
        told = closing.enter_context(_signals())
        runtime = open_runtime(settings)
        closing.callback(_close, runtime)
        tokens = Tokens(runtime.services.engine)
        check_listen(settings, tokens)
        local_token(runtime.home.token, tokens)
        daemon = Daemon(runtime, slots=settings.daemon_slots, background=background, heap=heap)
        server = ApiServer(make_app(daemon, settings), settings)
        serving = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="evolvent-http", daemon=True
        )
        daemon.start()
        serving.start()
        place = Place(
            pid=os.getpid(),
            url=_url(*listener.getsockname()[:2]),
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        heap.settle()
        place.save(runtime.home)
        ready(place)
        tell("READY=1")
        try:
            while not told.wait(1.0) and serving.is_alive():
                pass
        finally:
            tell("STOPPING=1")
            clean = daemon.drain(settings.daemon_drain_seconds)
            server.should_exit = True
            serving.join(STOP_SECONDS)
            forget(runtime.home)
        if not told.is_set():
            raise RunError("the HTTP server ended by itself; the log says why: evolvent daemon logs")
    return clean


def _close(runtime: Runtime) -> None:
    """Close a runtime, but not for ever: a thread that was left behind may hold what is to be closed."""
    closing = threading.Thread(target=runtime.close, name="evolvent-close", daemon=True)
    closing.start()
    closing.join(STOP_SECONDS)


@contextlib.contextmanager
def _signals() -> Iterator[threading.Event]:
    """Set an event at the first SIGTERM or SIGINT, and end the process at the second."""
    told = threading.Event()

    def hear(number: int, _frame: FrameType | None) -> None:
        if told.is_set():
            os._exit(128 + number)
        told.set()

    before = {number: signal.signal(number, hear) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """Take the port first: what is wrong with it is said at once, not after a model was loaded.

    Raises:
        UsageError: it cannot be had.
    """
    host, port = settings.daemon_host, settings.daemon_port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise UsageError(
            f"the daemon cannot listen on {host!r}: {error}; set EVOLVENT_DAEMON_HOST to an address of this machine"
        ) from error
    listener = socket.socket(found[0], socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(found[4])
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise UsageError(_unbound(host, port, error)) from error
    try:
        yield listener
    finally:
        listener.close()


def _unbound(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host!r} is taken by another process; is a daemon of another home there? "
            "Choose another one with --port or EVOLVENT_DAEMON_PORT (0: any free one)"
        )
    if error.errno == errno.EACCES:
        return f"port {port} may not be used by you: {error.strerror}; choose one above 1023 with EVOLVENT_DAEMON_PORT"
    return (
        f"the daemon cannot listen on {host!r} port {port}: {error.strerror}; "
        "set EVOLVENT_DAEMON_HOST to an address of this machine"
    )


def _url(host: str, port: int) -> str:
    """Return where this machine reaches the daemon: what listens on all addresses is on loopback, too."""
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"http://{address if address.version == 4 else f'[{address}]'}:{port}"
