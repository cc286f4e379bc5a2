"""The built-in executors of parallel work: `threads` and `serial`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from evolvent.hookspecs import hookimpl
from evolvent.protocols import ExecutorFactory

if TYPE_CHECKING:
    from evolvent.settings import Settings

__all__ = ["SerialExecutor", "register_executors"]

P = ParamSpec("P")
T = TypeVar("T")


class SerialExecutor(Executor):
    """Runs each piece of work inside `submit`, in the thread that submits: easy to debug, and always in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run it and return a future that is done; what it raises is kept in the future.

        Raises:
            RuntimeError: the executor was shut down.
            KeyboardInterrupt: a person interrupted the work; the future has it too.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # from here on cancel() is refused, as the contract of futures asks
        try:
            future.set_result(fn(*args, **kwargs))
        except KeyboardInterrupt as interrupt:
            # The main thread was interrupted: going on with the next piece would ignore it.
            future.set_exception(interrupt)
            raise
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Refuse further work; there is never any to wait for or to cancel."""
        with self._lock:
            self._closed = True


@hookimpl
def register_executors(register: Callable[[str, ExecutorFactory], None]) -> None:
    """Register `threads` and `serial`."""
    register("threads", _threads)
    register("serial", _serial)


def _threads(settings: Settings, workers: int) -> Executor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(workers, thread_name_prefix="evolvent-worker")


def _serial(settings: Settings, workers: int) -> Executor:
    return SerialExecutor()
