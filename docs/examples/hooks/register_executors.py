"""Threads that are not more than the machine has processors: `EVOLVENT_EXECUTOR=modest`."""

import os
from concurrent.futures import ThreadPoolExecutor

from evolvent import hookimpl


@hookimpl
def register_executors(register):
    register("modest", lambda settings, workers: ThreadPoolExecutor(min(workers, os.cpu_count() or 1)))
