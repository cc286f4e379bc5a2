"""Evidence by betting: it grows only when there is something to find."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolvent.library.betting import paired_e_value


def test_clear_gains_are_evidence_and_ties_and_losses_are_none():
    assert paired_e_value([0.5] * 12) > 20
    assert paired_e_value([0.0] * 200) == 1
    assert paired_e_value([-0.5] * 12) < 0.05
    assert paired_e_value([]) == 1


@given(st.lists(st.floats(-1, 1), max_size=60))
def test_capital_never_runs_out(differences):
    assert paired_e_value(differences) > 0


@given(st.lists(st.floats(-1, 0.99), min_size=1, max_size=30), st.integers(0, 29))
def test_a_better_last_case_never_lowers_it(differences, place):
    better = [*differences[:-1], 1.0]
    assert paired_e_value(better) >= paired_e_value(differences)


def test_its_mean_under_the_null_is_at_most_one():
    """Fair coins: no bettor gets rich on average, and few ever seem to."""
    rng = random.Random(7)
    values = [paired_e_value([rng.choice([-1, 1]) for _ in range(40)]) for _ in range(4_000)]
    assert sum(values) / len(values) < 1.15
    assert sum(value >= 20 for value in values) / len(values) <= 0.05


def test_scores_outside_of_their_range_are_refused():
    with pytest.raises(ValueError, match="allowed: -1 to 1"):
        paired_e_value([2.0])
