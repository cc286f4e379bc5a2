"""Blocking work leaves the event loop: it goes to threads, in bounded number and time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import anyio
import anyio.to_thread

from evolvent.daemon.api.problems import Problem

__all__ = ["SECONDS", "blocking", "in_thread"]

SECONDS = 60.0
"""Seconds after which a caller is not kept waiting any longer."""

P = ParamSpec("P")
R = TypeVar("R")


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function in a thread.

    Raises:
        Problem: it takes too long; it goes on, and nobody waits for it.
    """
    try:
        with anyio.fail_after(SECONDS):
            return await anyio.to_thread.run_sync(
                functools.partial(function, *args, **kwargs), abandon_on_cancel=True
            )
    except TimeoutError:
        detail = (
            f"no answer after {SECONDS:g} s; a change may still be made: look before you ask for it again"
        )
        raise Problem(504, "slow", detail) from None


def blocking(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Make a route of a function that blocks."""

    @functools.wraps(function)
    async def route(*args: P.args, **kwargs: P.kwargs) -> R:
        return await in_thread(function, *args, **kwargs)

    return route
