"""Which of many judged tasks tell most: ordinary ones, and those at the edges of what is asked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from evolvent.types import Task

__all__ = ["telling_tasks"]

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_WORD = re.compile(r"\w+")


def telling_tasks(tasks: Sequence[Task], count: int) -> tuple[Task, ...]:
    """Return `count` tasks: the first half as they come, then the most extreme of the rest, feature by feature.

    Errors on rare inputs are found where the inputs are long, short, large, negative, doubled or empty; a sample as
    it comes holds few of those. The first half stays a fair sample, so that shares mean something.
    """
    if len(tasks) <= count:
        return tuple(tasks)
    chosen = list(tasks[: (count + 1) // 2])
    rest = list(tasks[len(chosen) :])
    features = {id(task): _features(task.prompt) for task in rest}
    width = len(next(iter(features.values())))
    turn = 0
    while len(chosen) < count:
        feature, largest = (turn // 2) % width, turn % 2 == 0
        sign = -1 if largest else 1
        best = min(rest, key=lambda task: (sign * features[id(task)][feature], task.id))
        rest.remove(best)
        chosen.append(best)
        turn += 1
    return tuple(chosen)


def _features(prompt: str) -> tuple[float, ...]:
    """Return what may be extreme about a question."""
    numbers = [float(text) for text in _NUMBER.findall(prompt)] or [0.0]
    words = _WORD.findall(prompt)
    lowered = [word.lower() for word in words]
    return (
        len(prompt),
        max(map(abs, numbers)),
        min(numbers),
        len(numbers),
        len(words) - len(set(lowered)),
        max(map(len, words), default=0),
        min((len(word) for word in words[-3:]), default=0),
        sum(char.isupper() for char in prompt),
        sum(not char.isalnum() and not char.isspace() for char in prompt),
        len(prompt) - len(set(prompt)),
        sum(number == 0 for number in numbers),
        min(map(abs, numbers)),
    )
