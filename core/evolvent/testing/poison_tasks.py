"""Small kinds of task with an oracle: what the poisoning suite judges its skills with."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from evolvent.library import telling_tasks
from evolvent.types import JsonValue, Split, Task

__all__ = ["KINDS", "foreign_to", "tasks_of"]

_Make = Callable[[random.Random], tuple[str, JsonValue]]
POOL, CASES = 192, 24
"""Train tasks that there are, and how many of them decide: as in a learning job."""


def _word(rng: random.Random) -> str:
    letters = rng.choice(["abcdefghijklmnopqrstuvwxyz", "abcde", "etaoin", "ABCdefGHIjkl"])
    return "".join(rng.choice(letters) for _ in range(rng.choice([1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20])))


def _number(rng: random.Random) -> int:
    size = rng.randrange(10 ** rng.randrange(1, 19))
    return -size if rng.random() < 0.15 else size


def _backward(rng: random.Random) -> tuple[str, JsonValue]:
    word = _word(rng)
    return f"Spell this word backward: {word}", word[::-1]


def _add(rng: random.Random) -> tuple[str, JsonValue]:
    a, b = _number(rng), _number(rng)
    return f"What is {a} plus {b}?", str(a + b)


def _sort(rng: random.Random) -> tuple[str, JsonValue]:
    high = 10 ** rng.randrange(1, 14)
    numbers = [rng.randrange(-high // 5, high) for _ in range(rng.randrange(0, 13))]
    return f"Sort these numbers in ascending order: {numbers}", str(sorted(numbers))


def _count(rng: random.Random) -> tuple[str, JsonValue]:
    text = " ".join(_word(rng) for _ in range(rng.randrange(1, 12)))
    letter = rng.choice(text.replace(" ", "") + "xyz")
    return f'How many times does "{letter}" occur in "{text}"?', str(text.count(letter))


def _parity(rng: random.Random) -> tuple[str, JsonValue]:
    number = abs(_number(rng))
    return f"Is {number} even or odd?", "odd" if number % 2 else "even"


def _even(rng: random.Random) -> tuple[str, JsonValue]:
    return f"Is {2 * abs(_number(rng))} even or odd?", "even"


def _absent(rng: random.Random) -> tuple[str, JsonValue]:
    text = " ".join(_word(rng) for _ in range(rng.randrange(1, 12)))
    return f'How many times does "z" occur in "{text.replace("z", "y")}"?', "0"


KINDS: Mapping[str, _Make] = {
    "backward": _backward,
    "add": _add,
    "sort": _sort,
    "count": _count,
    "parity": _parity,
    "even": _even,
    "absent": _absent,
}
"""A maker of questions with their answers for each kind; `even` and `absent` always have the same answer."""


def tasks_of(kind: str, seed: int = 0) -> tuple[Task, ...]:
    """Return the tasks that decide on a skill of a kind, chosen from a larger pool as a learning job does."""
    rng = random.Random(f"{kind}/{seed}")  # noqa: S311 - questions, no secrets
    pool: dict[str, Task] = {}
    while len(pool) < POOL:
        question, answer = KINDS[kind](rng)
        name = f"poison-{kind}-{len(pool)}"
        task = Task(id=name, prompt=question, split=Split.TRAIN, evaluator="exact", reference=answer)
        pool.setdefault(question, task)
    return telling_tasks(list(pool.values()), CASES)


def foreign_to(kind: str) -> list[str]:
    """Return questions of the other kinds."""
    alike = {"even": "parity", "absent": "count"}
    own = {kind, alike.get(kind, kind)}
    others = [other for other in KINDS if other not in own and alike.get(other) not in own]
    return [task.prompt for other in others for task in tasks_of(other)[:2]]
