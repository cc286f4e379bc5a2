"""`check_policy` passes the built-in policies and catches wrong ones."""

import random
import time

import pytest

from evolvent.testing import check_policy
from evolvent.types import Move
from evolvent_plugins.policies import POLICIES


@pytest.mark.parametrize("name", POLICIES)
def test_the_built_in_policies_conform_in_less_than_two_seconds(name):
    started = time.perf_counter()
    check_policy(POLICIES[name])
    assert time.perf_counter() - started < 2


def viable(archive):
    return [v for v in archive if v.viable]


class Good:
    def choose(self, archive, rng):
        return Move(action=rng.choice(["expand", "measure"]), variant=rng.choice(viable(archive)).id)

    def champion(self, archive):
        return max(viable(archive), key=lambda v: v.score).id


class NotViable(Good):
    def choose(self, archive, rng):
        return Move(action="expand", variant=max(archive, key=lambda v: v.score).id)


class Sorts(Good):
    def choose(self, archive, rng):
        archive.sort(key=lambda v: -v.score)
        return Move(action="expand", variant=viable(archive)[0].id)


class WritesScores(Good):
    def champion(self, archive):
        for variant in archive:
            variant.scores["seen"] = 1.0
        return super().champion(archive)


class OwnChance(Good):
    def choose(self, archive, rng):
        return Move(action="expand", variant=random.choice(viable(archive)).id)


class Counts(Good):
    def __init__(self):
        self.calls = 0

    def choose(self, archive, rng):
        self.calls += 1
        return Move(action="expand", variant=viable(archive)[self.calls % len(viable(archive))].id)


class DividesByTrials(Good):
    def choose(self, archive, rng):
        best = max(viable(archive), key=lambda v: v.passed / v.trials)
        return Move(action="expand", variant=best.id)


class Underflows(Good):
    def choose(self, archive, rng):
        weights = [0.0 if any(v.id in c.parents for c in archive) else 1.0 for v in viable(archive)]
        return Move(action="expand", variant=rng.choices(viable(archive), weights)[0].id)


class Invents(Good):
    def choose(self, archive, rng):
        return Move(action="expand", variant="v-new")


class NoMove(Good):
    def choose(self, archive, rng):
        return viable(archive)[0].id


class OtherAction(Good):
    def choose(self, archive, rng):
        return Move.model_construct(action="delete", variant=viable(archive)[0].id)


class DeadChampion(Good):
    def champion(self, archive):
        return archive[-1].id


class NoChampion(Good):
    def champion(self, archive):
        return next((v.id for v in viable(archive) if v.trials), None)


class FickleChampion(Good):
    def champion(self, archive):
        return random.choice(viable(archive)).id


class Exits(Good):
    def champion(self, archive):
        raise SystemExit(1)


def test_a_good_policy_conforms():
    check_policy(Good())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (NotViable, r"choose\(\) on .* not viable"),
        (Sorts, "changes the archive"),
        (WritesScores, "changes the archive"),
        (OwnChance, "rng is the only source of chance"),
        (Counts, "the same state of rng"),
        (DividesByTrials, "raised ZeroDivisionError"),
        (Underflows, "raised ValueError.*must return a Move for every archive"),
        (Invents, "'v-new', which is not in the archive"),
        (NoMove, "must return a Move"),
        (OtherAction, "'delete'; it must be one of expand, measure"),
        (DeadChampion, r"champion\(\) on .* not viable"),
        (NoChampion, "must give the id of a variant"),
        (FickleChampion, "the same archive must get the same champion"),
        (Exits, r"champion\(\).* raised SystemExit"),
    ],
)
def test_a_wrong_policy_is_caught_in_words(wrong, words):
    with pytest.raises(AssertionError, match=words) as caught:
        check_policy(wrong())
    assert "\n" not in str(caught.value)


def test_the_chance_of_the_caller_is_left_alone():
    random.seed(4)
    state = random.getstate()
    check_policy(Good())
    assert random.getstate() == state
