"""What every curriculum must do; plugin authors call `check_curriculum` in their tests."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from evolvent.protocols import Curriculum
from evolvent.testing.contract import asked, other_chance, require
from evolvent.types import FamilyProgress

__all__ = ["check_curriculum"]

SEEDS = range(5)


def check_curriculum(curriculum: Curriculum) -> None:
    """Check a curriculum against its contract.

    It names a family that has tasks left, or None to end; with nothing left it ends; the same families and the
    same state of `rng` get the same answer, so that a job that is started again practises in the same order; and
    it does not change what it is given. Whole jobs are gone through, with one and with several families, perfect
    and hopeless ones, some of them finished or begun.

    Raises:
        AssertionError: it breaks the contract; the message says where.
    """
    for what, families in _jobs().items():
        for seed in SEEDS:
            first = _practise(curriculum, what, families, seed, chance=1)
            again = _practise(curriculum, what, families, seed, chance=2)
            require(
                first == again,
                f"{what}: practises in the order {first} and then {again}; the same state of rng must get the same "
                "order: rng is the only source of chance",
            )


def _practise(
    curriculum: Curriculum, what: str, families: Sequence[FamilyProgress], seed: int, chance: int
) -> list[str]:
    now, order = list(families), list[str]()
    rng = Random(seed)  # noqa: S311 - chance that must be repeatable
    while True:
        name = _next(curriculum, what, now, rng, chance + len(order))
        if name is None:
            return order
        order.append(name)
        index = next(i for i, progress in enumerate(now) if progress.family == name)
        tried = now[index]
        score = 1.0 if (len(name) + tried.practised) % 2 else 0.0
        now[index] = tried.model_copy(
            update={
                "practised": tried.practised + 1,
                "left": tried.left - 1,
                "scores": (*tried.scores, score),
            }
        )


def _next(
    curriculum: Curriculum, what: str, now: list[FamilyProgress], rng: Random, chance: int
) -> str | None:
    given = list(now)
    with other_chance(chance):
        name = asked(
            f"next_family() on {what}",
            "it must name a family with tasks left, or return None to end",
            lambda: curriculum.next_family(given, rng),
        )
    require(
        given == now,
        f"next_family() changes the families that it is given ({what}); it may only read them",
    )
    if name is None:
        return None
    left = {progress.family: progress.left for progress in now}
    require(
        isinstance(name, str),
        f"next_family() on {what} returns {name!r:.80}; it must name a family, or None",
    )
    require(
        name in left,
        f"next_family() on {what} names {name!r:.80}; the families are {', '.join(left)}",
    )
    require(
        any(left.values()),
        f"next_family() on {what} names {name!r} with no task left anywhere; it must end",
    )
    require(
        left[name],
        f"next_family() on {what} names {name!r}, which has no tasks left; it must name one that has",
    )
    return name


def _jobs() -> dict[str, list[FamilyProgress]]:
    def family(name: str, before: float, left: int, practised: int = 0) -> FamilyProgress:
        return FamilyProgress(
            family=name, before=before, left=left, practised=practised, scores=(0.5,) * practised
        )

    return {
        "one family": [family("only", 0.5, 3)],
        "nothing left": [family("a", 0.2, 0, 3), family("b", 1.0, 0, 3)],
        "several families": [
            family(name, n / 5, 3) for n, name in enumerate(("dd", "a", "ccc", "b", "e", "ff"))
        ],
        "equal families": [family(name, 0.5, 2) for name in ("d", "a", "c", "b")],
        "perfect families": [family(name, 1.0, 2) for name in ("b", "a")],
        "hopeless families": [family(name, 0.0, 2) for name in ("b", "a")],
        "a job half done": [
            family("done", 0.0, 0, 4),
            family("fresh", 0.1, 4),
            family("begun", 0.9, 2, 2),
            family("last", 0.3, 1, 3),
        ],
    }
