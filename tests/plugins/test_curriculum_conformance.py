"""`check_curriculum` passes the built-in curricula and catches wrong ones."""

import random
import time

import pytest

from evolvent.testing import check_curriculum
from evolvent_plugins.curricula import InOrder, WeakestFirst


def left(families):
    return [p for p in families if p.left]


class Shuffled:
    def next_family(self, families, rng):
        return rng.choice(left(families)).family if left(families) else None


class EndsEarly:
    def next_family(self, families, rng):
        weak = [p for p in left(families) if p.before < 0.5]
        return weak[0].family if weak else None


@pytest.mark.parametrize("good", [InOrder, WeakestFirst, Shuffled, EndsEarly])
def test_a_good_curriculum_conforms_in_less_than_two_seconds(good):
    started = time.perf_counter()
    check_curriculum(good())
    assert time.perf_counter() - started < 2


class ForgetsLeft:
    def next_family(self, families, rng):
        return min(families, key=lambda p: p.before).family


class NeverEnds:
    def next_family(self, families, rng):
        return (left(families) or families)[0].family


class Invents:
    def next_family(self, families, rng):
        return "algebra"


class Raises:
    def next_family(self, families, rng):
        return left(families)[0].family


class OwnChance:
    def next_family(self, families, rng):
        return random.choice(left(families)).family if left(families) else None


class Alternates:
    def __init__(self):
        self.calls = 0

    def next_family(self, families, rng):
        self.calls += 1
        return left(families)[self.calls % len(left(families))].family if left(families) else None


class Pops:
    def next_family(self, families, rng):
        while families and not families[0].left:
            families.pop(0)
        return families[0].family if families else None


class Index:
    def next_family(self, families, rng):
        return next((i for i, p in enumerate(families) if p.left), None)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (ForgetsLeft, "no tasks? left"),
        (NeverEnds, "no task left anywhere; it must end"),
        (Invents, "'algebra'; the families are"),
        (Raises, "raised IndexError: .*or return None to end"),
        (OwnChance, "rng is the only source of chance"),
        (Alternates, "rng is the only source of chance"),
        (Pops, "changes the families"),
        (Index, "must name a family, or None"),
    ],
)
def test_a_wrong_curriculum_is_caught_in_words(wrong, words):
    with pytest.raises(AssertionError, match=words) as caught:
        check_curriculum(wrong())
    assert "\n" not in str(caught.value)
