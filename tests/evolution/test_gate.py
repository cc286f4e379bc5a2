"""The gate: paired tests, levels that add up, and what a thousand lucky candidates can do."""

import math
from itertools import product

import numpy as np
import pytest
from bench.null_experiment import power, promotions
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, permutation_test

from evolvent.errors import UsageError
from evolvent.evolution import AlphaSpending, ErrorBudget, compare, decide, is_promising

bits = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)
scores = st.integers(0, 20).map(lambda n: n / 20)
pairs = st.lists(st.tuples(scores, scores), min_size=1, max_size=12)
light = settings(max_examples=40, deadline=None)


def split(paired):
    ours, theirs = zip(*paired, strict=True)
    return [float(x) for x in ours], [float(x) for x in theirs]


@light
@given(bits)
def test_zeros_and_ones_are_compared_by_the_discordant_pairs(paired):
    ours, theirs = split(paired)
    found = compare(ours, theirs)
    gained = sum(a > b for a, b in zip(ours, theirs, strict=True))
    lost = sum(a < b for a, b in zip(ours, theirs, strict=True))
    tail = sum(math.comb(gained + lost, k) for k in range(gained, gained + lost + 1)) / 2 ** (gained + lost)
    assert found.test == "exact McNemar"
    assert found.p_value == pytest.approx(tail)
    assert found.difference == pytest.approx((gained - lost) / len(paired))


@light
@given(pairs)
def test_graded_scores_are_compared_by_all_flips_of_signs(paired):
    ours, theirs = split(paired)
    found = compare([*ours, 0.5], [*theirs, 0.5])
    units = [round((a - b) * 1000) for a, b in zip(ours, theirs, strict=True)]
    sums = [
        sum(s * u for s, u in zip(signs, units, strict=True)) for signs in product((1, -1), repeat=len(units))
    ]
    assert found.test == "exact paired permutation"
    assert found.p_value == pytest.approx(sum(s >= sum(units) for s in sums) / len(sums))


def test_it_agrees_with_scipys_permutation_test():
    rng = np.random.default_rng(3)
    ours, theirs = rng.random(12), rng.random(12) * 0.7
    rounded = np.rint((ours - theirs) * 1000)
    known = permutation_test(
        (rounded,), np.sum, permutation_type="samples", alternative="greater", n_resamples=1e5
    )
    assert compare(list(ours), list(theirs)).p_value == pytest.approx(known.pvalue)


@light
@given(bits, st.integers(0, 5))
def test_the_general_test_has_mcnemars_as_a_special_case(paired, seed):
    ours, theirs = split(paired)
    graded = compare([*ours, 0.5], [*theirs, 0.5], seed=seed)
    assert graded.p_value == pytest.approx(compare(ours, theirs, seed=seed).p_value)


@light
@given(pairs, st.integers(0, 5))
def test_a_comparison_repeats_is_ordered_and_holds_its_mean(paired, seed):
    ours, theirs = split(paired)
    found = compare(ours, theirs, seed=seed)
    assert found == compare(tuple(ours), tuple(theirs), seed=seed)
    assert -1 <= found.low <= found.high <= 1
    assert 0 < found.p_value <= 1
    back = compare(theirs, ours, seed=seed)
    assert back.difference == -found.difference
    assert found.p_value + back.p_value >= 1  # both hold the sum that was seen


@light
@given(pairs, st.integers(0, 11))
def test_a_better_score_never_raises_the_p_value(paired, place):
    ours, theirs = split(paired)
    better = list(ours)
    better[place % len(better)] = 1.0
    # a pair that nobody is better on keeps both tests the same kind
    before, after = ([*given, 0.5] for given in (ours, better))
    assert compare(after, [*theirs, 0.5]).p_value <= compare(before, [*theirs, 0.5]).p_value + 1e-12


def test_equal_differences_leave_an_interval_that_shrinks_with_the_pairs():
    widths = []
    for n in (1, 5, 60):
        found = compare([1.0] * n, [1.0] * n)
        assert found.low < 0 < found.high
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)
    assert compare([1.0] * 5, [0.0] * 5).high == 1.0


def test_intervals_cover_the_true_difference():
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(300):
        found = compare((rng.random(60) < 0.6).astype(float), (rng.random(60) < 0.5).astype(float))
        covered += found.low <= 0.1 <= found.high
    assert covered / 300 >= 0.92


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        ([], [], "no scores to compare"),
        ([1.0], [1.0, 0.0], "1 scores of the candidate and 2 of the incumbent"),
        ([float("nan")], [0.0], "score 0 of the candidate is nan; scores are numbers from 0 to 1"),
        ([0.0, 1.0], [0.0, 1.5], "score 1 of the incumbent is 1.5"),
        ([-0.1], [0.0], "is -0.1"),
        (["1"], [0.0], "is '1'"),
        ([None], [0.0], "is None"),
    ],
)
def test_what_is_no_score_is_refused(ours, theirs, words):
    with pytest.raises(UsageError, match=words):
        compare(ours, theirs)


def test_the_gate_takes_a_clear_gain_and_keeps_the_incumbent_otherwise():
    spending = AlphaSpending()
    better = decide([1.0] * 20, [0.0] * 12 + [1.0] * 8, 1, spending)
    assert better.accepted
    assert better.reason.startswith("better: 1.000 against 0.400 on 20 tasks")
    tie = decide([1.0, 0.0] * 30, [0.0, 1.0] * 30, 1, spending)
    assert (tie.accepted, tie.reason[:26]) == (False, "a tie keeps the incumbent:")
    chance = decide([1.0] * 4, [0.0] * 4, 1, spending)
    assert not chance.accepted
    assert "may be chance" in chance.reason
    assert "it scored lower" in decide([0.0], [1.0], 1, spending).reason


def test_what_was_enough_early_is_not_enough_late():
    ours, theirs = [1.0] * 12 + [0.0] * 20, [0.0] * 32
    assert decide(ours, theirs, 1, AlphaSpending()).accepted
    assert not decide(ours, theirs, 500, AlphaSpending()).accepted


@given(st.floats(1e-6, 0.5), st.floats(0, 100), st.integers(1, 300))
def test_levels_fall_and_never_add_up_to_more_than_alpha(alpha, delay, last):
    spending = AlphaSpending(alpha=alpha, delay=delay)
    levels = [spending.level(k) for k in range(1, last + 1)]
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] > 0
    assert sum(levels) <= alpha * (1 + 1e-9)


@given(st.sets(st.integers(1, 60)))
def test_what_is_passed_on_is_the_online_fallback(accepted):
    """Against the recursion of the paper, and never more in all than alpha while acceptances are true."""
    spending = AlphaSpending()
    before = 0.0
    for k in range(1, 62):
        expected = spending.level(k) + (before if k - 1 in accepted else 0.0)
        assert spending.level(k, accepted) == pytest.approx(expected)
        before = expected
    spent = sum(spending.level(k, accepted) for k in range(1, 62) if k not in accepted)
    assert spent <= spending.alpha * (1 + 1e-9)


@pytest.mark.parametrize("number", [0, -3, 1.5, "2", True])
def test_tests_are_counted_from_one(number):
    with pytest.raises(UsageError, match=r"counted 1, 2, 3"):
        AlphaSpending().level(number)


def false_champion(rng, candidates, spending, graded=False):
    """Whether any of so many candidates that behave as the incumbent does is accepted."""
    rate = rng.beta(1, 1, 30)

    def measured():
        return rng.binomial(4, rate) / 4 if graded else (rng.random(30) < rate).astype(float)

    for number in range(1, candidates + 1):
        ours, theirs = measured(), measured()
        # the smallest possible p-value is 2^-gains: most candidates need no test to be refused
        if 0.5 ** (ours > theirs).sum() > spending.level(number):
            continue
        if decide(ours, theirs, number, spending).accepted:
            return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("graded", [False, True])
def test_a_thousand_candidates_without_a_gain_make_no_champion_in_nineteen_of_twenty_archives(graded):
    rng = np.random.default_rng(5)
    wrong = sum(false_champion(rng, 1_000, AlphaSpending(), graded) for _ in range(40))
    assert binomtest(wrong, 40, 0.05, alternative="greater").pvalue > 0.01
    assert wrong <= 4


def test_a_naive_gate_would_be_fooled_by_the_same_candidates():
    """The simulation can find a false champion: with a fresh 5 % for every candidate it always does."""

    class Naive(AlphaSpending):
        def level(self, number, accepted=()):
            return self.alpha

    rng = np.random.default_rng(5)
    assert sum(false_champion(rng, 200, Naive()) for _ in range(10)) >= 9


def test_the_null_experiment_promotes_in_few_runs():
    """`bench/null_experiment.py`, smaller: every child behaves as the incumbent does."""
    rng = np.random.default_rng(0)
    for kind in ("kept", "graded"):
        runs = [promotions(rng, 20, 10, kind, ErrorBudget()) for _ in range(20)]
        assert sum(count > 0 for count in runs) <= 2


@given(st.floats(1e-6, 0.5), st.floats(0.01, 0.99), st.lists(st.booleans(), max_size=120))
def test_two_rows_of_tests_never_add_up_to_more_than_alpha(alpha, share, kinds):
    error = ErrorBudget(alpha=alpha, share=share)
    places = {True: 0, False: 0}
    spent = 0.0
    for promising in kinds:
        places[promising] += 1
        spent += error.row(promising).level(places[promising])
    assert spent <= alpha * (1 + 1e-9)


def test_who_stands_out_on_train_is_tested_at_a_higher_level():
    error = ErrorBudget()
    assert error.row(True).level(1) > 4 * AlphaSpending().level(1)
    ours, theirs = [1.0] * 9 + [0.0] * 51, [0.0] * 60
    one_of_many = decide(ours, theirs, 7, error.row(False), place=6)
    promising = decide(ours, theirs, 7, error.row(True), place=1, promising=True)
    assert (one_of_many.accepted, promising.accepted) == (False, True)
    assert (promising.number, promising.place) == (7, 1)
    assert "as it was promising" in promising.reason


@pytest.mark.parametrize(
    ("gained", "lost", "promising"),
    [(5, 0, True), (4, 0, False), (9, 2, True), (9, 3, False), (0, 0, False), (0, 6, False)],
)
def test_promising_is_a_gain_on_train_that_is_hardly_chance(gained, lost, promising):
    ours, theirs = [1.0] * gained + [0.0] * lost + [1.0], [0.0] * gained + [1.0] * lost + [1.0]
    assert is_promising(ours, theirs) is promising


def test_the_gate_finds_a_large_gain_on_sixty_tasks():
    rng = np.random.default_rng(0)
    assert power(rng, 60, 0.4, 10, AlphaSpending(), runs=60) > 0.8
    assert power(rng, 60, 0.0, 10, AlphaSpending(), runs=60) < 0.02


def test_levels_that_are_passed_on_keep_the_claim_beside_true_gains():
    """Half of the candidates are real gains and always accepted; any other one is accepted in few archives."""
    rng = np.random.default_rng(8)
    spending = AlphaSpending(delay=2)
    wrong = 0
    for _ in range(1_500):
        accepted, fooled = [], False
        for number in range(1, 31):
            gain = rng.random() < 0.5
            if gain or rng.random() <= spending.level(number, accepted):
                accepted.append(number)
                fooled = fooled or not gain
        wrong += fooled
    assert binomtest(wrong, 1_500, spending.alpha, alternative="greater").pvalue > 0.01
