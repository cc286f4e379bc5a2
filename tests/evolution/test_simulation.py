"""Policies in worlds where the truth is known."""

import math
from random import Random

import numpy as np
import pytest

from evolvent.errors import RunError, UnknownName, UsageError
from evolvent.evolution.simulation import estimates, grow, simulate
from evolvent.evolution.worlds import WORLDS, World
from evolvent.types import Move
from evolvent_plugins.policies import POLICIES, DgmPolicy, RandomPolicy


class Watched:
    """A policy whose archives can be looked at afterwards."""

    def __init__(self, policy):
        self.policy, self.archives = policy, []

    def choose(self, archive, rng):
        self.archives.append(archive)
        return self.policy.choose(archive, rng)

    def champion(self, archive):
        self.archives.append(archive)
        return self.policy.champion(archive)


@pytest.mark.parametrize("name", WORLDS)
def test_children_follow_the_formula(name):
    world = WORLDS[name]
    parent = world.root(0)._replace(metaproductivity=0.05)
    children = [world.child(parent, n) for n in range(8_000)]
    skill = np.array([c.skill for c in children])
    meta = np.array([c.metaproductivity for c in children])
    assert skill.mean() == pytest.approx(parent.skill + 0.05, abs=0.003)
    assert skill.std() == pytest.approx(world.step, rel=0.05)
    assert meta.mean() == pytest.approx(world.mean + world.memory * (0.05 - world.mean), abs=0.002)
    assert meta.std() == pytest.approx(world.wobble, rel=0.05)
    assert np.corrcoef(skill, meta)[0, 1] == pytest.approx(world.alignment, abs=0.04)
    assert np.mean([c.viable for c in children]) == pytest.approx(1 - world.broken, abs=0.02)


def test_the_tree_of_a_seed_is_the_same_for_everybody():
    world = WORLDS["mismatched"]
    one, other = world.child(world.root(3), 2), world.child(world.root(3), 2)
    assert one == other
    assert [one.luck().random() for _ in range(3)] == [other.luck().random() for _ in range(3)]
    assert world.child(world.root(4), 2) != one
    assert world.child(world.root(3), 1) != one


def test_a_true_pass_rate_is_a_probability():
    world = World(about="steep", alignment=0.0, step=1.0)
    rates = [world.child(world.root(0), n).rate for n in range(50)]
    assert min(rates) == 0.01
    assert max(rates) == 0.99


@pytest.mark.parametrize("name", ["random", "hgm"])
def test_evaluations_are_spent_to_the_last_and_counted_in_the_archive(name):
    watched = Watched(POLICIES[name])
    rates, size = grow(name, watched, WORLDS["mismatched"], 1, [40, 123], 10)
    final = watched.archives[-1]
    assert len(rates) == 2
    assert size == len(final)
    assert sum(v.trials for v in final) == 123
    assert all(v.passed <= v.trials and (v.viable or not v.trials) for v in final)
    assert all(v.score == pytest.approx(v.passed / v.trials) for v in final if v.trials)


def test_who_does_not_measure_gets_a_fixed_number_of_trials_and_who_does_gets_none():
    watched = Watched(RandomPolicy())
    grow("random", watched, WORLDS["mismatched"], 1, [100], 10)
    assert {v.trials for v in watched.archives[-1] if v.viable} == {10}
    watched = Watched(POLICIES["hgm"])
    grow("hgm", watched, WORLDS["mismatched"], 1, [100], 10)
    final = watched.archives[-1]
    assert len(final) <= 100**0.6 + 1 + sum(not v.viable for v in final)
    assert watched.archives[0][0].trials == 0


def test_a_simulation_repeats_and_ranks():
    policies = {name: POLICIES[name] for name in ("random", "hgm", "hill-climb")}
    found = simulate(policies, "aligned", seeds=4, evaluations=100)
    assert found == simulate(policies, "aligned", seeds=4, evaluations=100)
    means = [o.champion.mean for o in found.outcomes]
    assert means == sorted(means, reverse=True)
    best = found.outcomes[0]
    assert (best.behind.mean, best.behind.low, best.behind.high) == (0, 0, 0)
    for outcome in found.outcomes:
        gaps = [a - b for a, b in zip(best.rates, outcome.rates, strict=True)]
        assert outcome.behind.mean == pytest.approx(sum(gaps) / 4)
        assert outcome.champion.mean == pytest.approx(sum(outcome.rates) / 4)
        assert outcome.curve[-1] == outcome.champion
        assert len(outcome.curve) == len(found.checkpoints) == 20
    assert found.checkpoints[-1] == 100


def test_a_policy_does_as_well_alone_as_in_company():
    alone = simulate({"dgm": DgmPolicy()}, seeds=3, evaluations=60)
    together = simulate({"random": RandomPolicy(), "dgm": DgmPolicy()}, seeds=3, evaluations=60)
    assert alone.outcomes[0].rates == next(o.rates for o in together.outcomes if o.policy == "dgm")


def test_policies_that_look_for_good_lines_find_better_champions_than_climbing_does():
    policies = {name: POLICIES[name] for name in ("hgm", "dgm", "hill-climb")}
    found = simulate(policies, "aligned", seeds=12, evaluations=500)
    assert found.outcomes[-1].policy == "hill-climb"
    assert found.outcomes[-1].behind.low > 0
    assert all(o.champion.mean > WORLDS["aligned"].skill for o in found.outcomes)


def test_an_interval_is_that_of_the_mean():
    values = np.random.default_rng(0).normal(0.5, 0.1, (60, 2))
    for column, found in zip(values.T, estimates(values), strict=True):
        assert found.mean == pytest.approx(column.mean())
        half = 1.96 * column.std() / math.sqrt(60)
        assert found.low == pytest.approx(column.mean() - half, abs=0.006)
        assert found.high == pytest.approx(column.mean() + half, abs=0.006)


class Fails(RandomPolicy):
    def choose(self, archive, rng):
        raise KeyError("v9")


class Invents(RandomPolicy):
    def choose(self, archive, rng):
        return Move(action="expand", variant="v-new")


class NoMove(RandomPolicy):
    def choose(self, archive, rng):
        return archive[0].id


class DeadChampion(RandomPolicy):
    def champion(self, archive):
        return next((v.id for v in archive if not v.viable), archive[0].id)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (Fails(), "the policy 'theirs' failed: KeyError: 'v9'"),
        (Invents(), "named 'v-new', which is no viable variant"),
        (NoMove(), "returned 'v0'"),
        (DeadChampion(), "no viable variant"),
    ],
)
def test_a_wrong_policy_is_named(policy, words):
    with pytest.raises(RunError, match=words):
        simulate({"theirs": policy}, seeds=2, evaluations=400)


def test_a_policy_that_stops_measuring_comes_to_an_end():
    class Once(RandomPolicy):
        def choose(self, archive, rng):
            tried = any(v.trials for v in archive)
            return Move(action="expand" if tried else "measure", variant=archive[0].id)

        def champion(self, archive):
            return archive[0].id

    rates, size = grow("once", Once(), WORLDS["aligned"], 0, [10, 50], 10)
    assert rates == [WORLDS["aligned"].skill] * 2
    assert size == 51


@pytest.mark.parametrize(
    "wrong", [{"seeds": 1}, {"evaluations": 0}, {"trials": 0}, {"policies": {}}], ids=lambda w: next(iter(w))
)
def test_too_little_is_refused(wrong):
    with pytest.raises(UsageError, match="at least one policy, two seeds, one evaluation and one trial"):
        simulate(**{"policies": {"random": RandomPolicy()}, **wrong})


def test_an_unknown_world_is_named_with_the_known_ones():
    with pytest.raises(UnknownName, match="unknown world 'alinged'; did you mean 'aligned'"):
        simulate({"random": RandomPolicy()}, "alinged")


def test_its_own_chance_is_the_only_one():
    state = Random(1).getstate()
    rng = Random(1)
    simulate({"random": RandomPolicy()}, seeds=2, evaluations=20)
    assert rng.getstate() == state
