"""One thread for a small computation, without a change of anybody else's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in the calling thread alone; other threads keep as many as they have.

    `torch.set_num_threads` is not used: what it sets is also what every thread takes that computes for the first time
    meanwhile, and keeps; and two callers that restore what they found may leave 1 behind for ever.
    """
    import torch

    torch.get_num_threads()  # a thread takes the process's number when it first asks: before it is changed here
    with _openmp().limit(limits=1):
        yield


@lru_cache(maxsize=1)
def _openmp() -> ThreadpoolController:
    """Return what sets the number of OpenMP's threads, which each thread has for itself."""
    from threadpoolctl import ThreadpoolController

    found: ThreadpoolController = ThreadpoolController().select(user_api="openmp")
    return found
