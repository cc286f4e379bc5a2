"""The helper process that runs reasoning-gym: JSON lines in on stdin, JSON lines out on stdout.

Started by `client.py` as `python -m evolvent_plugins.gym.worker`; ends when stdin ends.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import sys
from typing import Any

from evolvent_plugins.gym.scoring import RawEntry, score_answer

__all__ = ["main"]

MEMORY_BYTES = 4 * 1024**3


def main() -> None:
    """Serve until stdin ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The library prints now and then: keep the pipe of the answers to ourselves.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    import reasoning_gym  # noqa: F401  # registers the generators

    answers.write("ready\n")
    for line in sys.stdin:
        answers.write(json.dumps(_serve(json.loads(line)), default=str) + "\n")


def _serve(request: dict[str, Any]) -> Any:
    if request["do"] == "families":
        from reasoning_gym.factory import DATASETS

        return sorted(DATASETS)
    try:
        dataset, entry = _raw_entry(**request["entry"])
    except Exception as error:  # generators raise all sorts of things; the host makes a clear error of it
        return {"error": f"{type(error).__name__}: {error}"}
    if request["do"] == "make":
        return {"question": entry["question"], "answer": entry["answer"]}
    value, note = score_answer(request["entry"]["dataset"], dataset, entry, request["answer"])
    return {"value": value, "note": note}


@functools.lru_cache(maxsize=64)
def _dataset(family: str, seed: int, size: int) -> Any:
    import reasoning_gym

    return reasoning_gym.create_dataset(family, seed=seed, size=size)


@functools.lru_cache(maxsize=512)
def _raw_entry(dataset: str, seed: int, index: int, size: int) -> tuple[Any, RawEntry]:
    opened = _dataset(dataset, seed, size)
    return opened, opened[index]


if __name__ == "__main__":
    main()
