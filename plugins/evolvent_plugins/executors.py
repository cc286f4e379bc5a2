"""Built-in executors of parallel work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from evolvent.hookspecs import hookimpl
from evolvent.protocols import ExecutorFactory
from evolvent.settings import Settings

__all__ = ["SerialExecutor", "register_executors"]

P = ParamSpec("P")
T = TypeVar("T")


class SerialExecutor(Executor):
    """Does the work in `submit`, in the caller's thread: what breaks there breaks where it can be debugged."""

    def __init__(self) -> None:
        self._down = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do the work and return its finished future."""
        if self._down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Refuse further work."""
        self._down = True


def _threads(settings: Settings, workers: int) -> Executor:
    return ThreadPoolExecutor(workers, thread_name_prefix="evolvent-work")


def _serial(settings: Settings, workers: int) -> Any:
    return SerialExecutor()


@hookimpl
def register_executors(register: Callable[[str, ExecutorFactory], None]) -> None:
    """Register `threads` and `serial`."""
    register("threads", _threads)
    register("serial", _serial)
