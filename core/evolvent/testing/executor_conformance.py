"""What every executor must do; plugin authors call `check_executor` in their tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from typing import Any

from evolvent.testing.contract import asked, require

__all__ = ["check_executor"]

PATIENCE = 1.0
"""Seconds after which a piece of work that takes milliseconds counts as forgotten."""
MAY_SUBMIT = "an executor must take any function of this process, with its arguments"


def check_executor(make: Callable[[int], Executor]) -> None:
    """Check an executor against its contract: that of `concurrent.futures`, within this process.

    `submit` returns a `Future` with the result, or with the very exception that was raised, of any kind; `map`
    keeps the order; each piece of work runs once, never more at a time than there are workers; work that was
    cancelled does not run, other work does; `shutdown` waits, may be called twice, and afterwards work is refused.

    Args:
        make: makes an executor with so many workers; called five times.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    _check_results(_made(make, 2))
    for workers in (1, 3):
        _check_bound(_made(make, workers), workers)
    _check_cancel(_made(make, 1))
    _check_shutdown(_made(make, 2))


def _made(make: Callable[[int], Executor], workers: int) -> Executor:
    executor = asked(f"making an executor with {workers} workers", "it must work", lambda: make(workers))
    require(
        isinstance(executor, Executor),
        f"{executor!r:.80} is no concurrent.futures.Executor; it must be one",
    )
    return executor


def _submit(executor: Executor, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
    future = asked("submit()", MAY_SUBMIT, lambda: executor.submit(work, *args, **kwargs))
    require(
        isinstance(future, Future),
        f"submit() returns {future!r:.80}; it must be a concurrent.futures.Future",
    )
    return future


def _check_results(executor: Executor) -> None:
    kept: dict[str, int] = {}
    future = _submit(executor, lambda a, b: kept.update(sum=a + b) or a + b, 1, b=2)
    _wait([future], "a piece of work")
    require(
        future.exception() is None,
        f"1 + 2 raised {future.exception()!r}; work must run with the arguments given to submit()",
    )
    require(
        future.result() == 3,
        f"1 + 2 gave {future.result()!r}; the future must hold the work's result",
    )
    require(
        kept == {"sum": 3},
        "work did not run in this process; it shares the caller's objects and must run here",
    )
    for error in (ValueError("no"), SystemExit(3)):
        future = _submit(executor, _raise, error)
        _wait([future], f"work that raises {type(error).__name__}")
        require(
            future.exception() is error,
            f"work raised {error!r}, the future has {future.exception()!r}; it must keep the very exception",
        )
    squares = asked(
        "map()", MAY_SUBMIT, lambda: list(executor.map(lambda n: n * n, range(20), timeout=PATIENCE))
    )
    require(
        squares == [n * n for n in range(20)],
        "map() does not give the results in the order of its arguments",
    )
    executor.shutdown()


def _check_bound(executor: Executor, workers: int) -> None:
    lock, running, most, runs = threading.Lock(), 0, 0, 0

    def work() -> None:
        nonlocal running, most, runs
        with lock:
            running, runs = running + 1, runs + 1
            most = max(most, running)
        time.sleep(0.005)
        with lock:
            running -= 1

    _wait([_submit(executor, work) for _ in range(12)], "twelve pieces of work")
    executor.shutdown()
    require(
        runs == 12,
        f"twelve pieces of work ran {runs} times; each must run once",
    )
    require(
        most <= workers,
        f"{most} pieces of work ran at once with {workers} workers; never more than workers may",
    )


def _check_cancel(executor: Executor) -> None:
    ran: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.01)
        ran.append(number)

    futures = [_submit(executor, work, number) for number in range(5)]
    cancelled = [futures[number].cancel() for number in range(5)]
    executor.shutdown()
    _wait([future for future in futures if not future.cancelled()], "work beside cancelled work")
    for number, was in enumerate(cancelled):
        require(
            (number in ran) is not was,
            f"cancel() said {was}, and the work {'ran' if number in ran else 'did not run'}; "
            "cancelled work must not run, other work must",
        )


def _check_shutdown(executor: Executor) -> None:
    ended: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.01)
        ended.append(number)

    futures = [_submit(executor, work, number) for number in range(6)]
    asked("shutdown()", "it must wait for the work and free the workers", executor.shutdown)
    require(
        len(ended) == 6,
        f"shutdown() returned after {len(ended)} of 6 pieces of work; it must wait for all",
    )
    _wait(futures, "work before shutdown()")
    asked("shutdown() called again", "it may be called twice", executor.shutdown)
    try:
        executor.submit(print)
    except RuntimeError:
        return
    except Exception as error:
        raise AssertionError(
            f"submit() after shutdown() raised {type(error).__name__}; it must raise RuntimeError"
        ) from error
    raise AssertionError("submit() after shutdown() takes work; it must raise RuntimeError")


def _wait(futures: list[Future[Any]], what: str) -> None:
    left = len(wait(futures, timeout=PATIENCE).not_done)
    require(
        not left,
        f"{what}: {left} of {len(futures)} futures are not done after {PATIENCE:g} s; each must end",
    )


def _raise(error: BaseException) -> None:
    raise error
