"""The Huxley-Gödel Machine: when it expands, what it counts, whom it draws, and its final pick."""

from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from scipy.stats import beta

from evolvent.types import Variant
from evolvent_plugins.policies import POLICIES, HgmPolicy
from evolvent_plugins.policies.hgm import clade_counts

HGM = POLICIES["hgm"]
light = settings(max_examples=60, deadline=None)


@st.composite
def measured(draw, max_size=25):
    archive = []
    for index in range(draw(st.integers(1, max_size))):
        parents = draw(st.lists(st.integers(0, index - 1), max_size=2, unique=True)) if index else []
        trials = draw(st.integers(0, 12))
        passed = draw(st.integers(0, trials))
        archive.append(
            Variant(
                id=f"v{index}",
                parents=tuple(f"v{n}" for n in parents),
                trials=trials,
                passed=passed,
                score=passed / trials if trials else 0.0,
                viable=draw(st.booleans()) or index == 0,
            )
        )
    return archive


def viable(archive):
    return [v for v in archive if v.viable]


@light
@given(measured(), st.integers(0, 99))
def test_it_expands_exactly_while_evaluations_to_the_sixth_tenth_reach_the_variants(archive, seed):
    evaluations = sum(v.trials for v in viable(archive))
    move = HGM.choose(archive, Random(seed))
    assert (move.action == "expand") == (evaluations**0.6 >= len(viable(archive)))
    chosen = next(v for v in archive if v.id == move.variant)
    assert chosen.viable
    assert chosen.trials or move.action == "measure"


@light
@given(measured())
def test_clade_counts_equal_those_of_a_walk_over_all_descendants(archive):
    passed, trials = clade_counts(archive)
    for place, variant in enumerate(archive):
        clade, waiting = [], [variant.id]
        while waiting:
            here = waiting.pop()
            clade += [v for v in archive if v.id == here and v.viable]
            waiting += [v.id for v in archive if v.parents[:1] == (here,)]
        assert passed[place] == sum(v.passed for v in clade)
        assert trials[place] == sum(v.trials for v in clade)


def test_a_parent_that_is_not_there_has_no_clade():
    assert clade_counts([Variant(id="a", parents=("gone",), trials=2, passed=1)]) == ([1], [2])


@light
@given(measured(), st.integers(0, 2**32))
def test_the_same_chance_gets_the_same_move_whatever_the_names(archive, seed):
    renamed = [
        v.model_copy(update={"id": f"x-{v.id}", "parents": tuple(f"x-{p}" for p in v.parents)})
        for v in archive
    ]
    rng, twin = Random(seed), Random(seed)
    for _ in range(3):
        move, other = HGM.choose(archive, rng), HGM.choose(renamed, twin)
        assert (move.action, f"x-{move.variant}") == (other.action, other.variant)
    assert HGM.champion(renamed) == f"x-{HGM.champion(archive)}"


def chance_to_win(first, second):
    """Of a draw from Beta(first) against one from Beta(second), by integration."""
    return integrate.quad(lambda x: beta.pdf(x, *first) * beta.cdf(x, *second), 0, 1)[0]


def test_to_expand_it_draws_by_the_counts_of_clades():
    """So the poor parent of a good line comes before a better variant without children."""
    archive = [
        Variant(id="poor", trials=10, passed=2, score=0.2),
        Variant(id="middling", trials=10, passed=4, score=0.4),
        *(Variant(id=f"c{n}", parents=("poor",), trials=10, passed=6, score=0.6) for n in range(4)),
    ]
    clades = [(26, 50), (4, 10), *[(6, 10)] * 4]
    thetas = [np.random.default_rng(n).beta(1 + p, 1 + t - p, 100_000) for n, (p, t) in enumerate(clades)]
    won = np.bincount(np.argmax(thetas, axis=0), minlength=6) / 100_000
    rng = Random(1)
    seen = Counter(HGM.choose(archive, rng).variant for _ in range(6_000))
    for variant, expected in zip(archive, won, strict=True):
        assert seen[variant.id] / 6_000 == pytest.approx(expected, abs=0.02)
    pair = [archive[0], archive[1], archive[2].model_copy(update={"viable": False})]
    own = Counter(HGM.choose(pair, rng).variant for _ in range(4_000))
    assert own["poor"] / 4_000 == pytest.approx(chance_to_win((3, 9), (5, 7)), abs=0.02)


def test_to_measure_it_draws_by_own_counts_and_tries_the_untried():
    archive = [
        Variant(id="seed", trials=4, passed=3, score=0.75),
        *(Variant(id=f"c{n}", parents=("seed",)) for n in range(4)),
    ]
    rng = Random(2)
    moves = [HGM.choose(archive, rng) for _ in range(4_000)]
    assert {move.action for move in moves} == {"measure"}
    seen = Counter(move.variant for move in moves)
    # one Beta(4, 2) against the highest of four uniform draws
    expected = integrate.quad(lambda x: beta.pdf(x, 4, 2) * x**4, 0, 1)[0]
    assert seen["seed"] / 4_000 == pytest.approx(expected, abs=0.025)


@light
@given(measured())
def test_the_champion_has_the_highest_lower_quantile(archive):
    low = {v.id: beta.ppf(0.01, 1 + v.passed, 1 + v.trials - v.passed) for v in viable(archive)}
    assert low[HGM.champion(archive)] == pytest.approx(max(low.values()))


def test_luck_on_few_trials_makes_no_champion():
    lucky = Variant(id="lucky", trials=2, passed=2, score=1.0)
    proven = Variant(id="proven", trials=40, passed=32, score=0.8)
    assert HGM.champion([lucky, proven]) == "proven"
    assert POLICIES["best"].champion([lucky, proven]) == "lucky"


def test_ten_thousand_in_a_line_are_no_recursion():
    archive = [Variant(id="v0", trials=1, passed=1, score=1.0)]
    archive += [Variant(id=f"v{n}", parents=(f"v{n - 1}",), trials=1, passed=n % 2) for n in range(1, 10_000)]
    passed, trials = clade_counts(archive)
    assert (passed[0], trials[0]) == (5_001, 10_000)
    assert HGM.choose(archive, Random(0)).action == "measure"


def test_a_known_budget_makes_the_draws_greedier_towards_its_end():
    """With τ = B/(B - N): Beta(τ(1 + passed), τ(1 + failed))."""
    archive = [
        Variant(id="a", trials=10, passed=4, score=0.4),
        Variant(id="b", trials=10, passed=6, score=0.6),
    ]
    shares = []
    for budget in (None, 40, 21):
        rng = Random(3)
        policy = HgmPolicy(budget=budget)
        seen = Counter(policy.choose(archive, rng).variant for _ in range(4_000))
        tau = budget / (budget - 20) if budget else 1
        expected = chance_to_win((7 * tau, 5 * tau), (5 * tau, 7 * tau))
        assert seen["b"] / 4_000 == pytest.approx(expected, abs=0.02)
        shares.append(seen["b"])
    assert shares == sorted(shares)
    over = [v.model_copy(update={"trials": 30}) for v in archive]
    assert HgmPolicy(budget=40).choose(over, Random(0)).action == "expand"
