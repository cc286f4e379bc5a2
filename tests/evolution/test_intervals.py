"""How sure a score is."""

import random
from statistics import fmean

import pytest
from scipy.stats import binomtest

from evolvent.evolution.intervals import score_interval
from evolvent.types import Variant


def of(score: float, trials: int) -> tuple[float, float]:
    return score_interval(Variant(id="v", trials=trials, score=score))


@pytest.mark.parametrize(
    ("passed", "trials"), [(0, 1), (1, 1), (0, 10), (3, 10), (10, 10), (17, 40), (999, 1000)]
)
def test_of_passes_and_failures_it_is_wilsons(passed: int, trials: int) -> None:
    known = binomtest(passed, trials).proportion_ci(0.95, method="wilson")
    assert of(passed / trials, trials) == pytest.approx((known.low, known.high), abs=1e-12)


def test_without_any_trial_nothing_is_known() -> None:
    assert of(0.0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("mean", [0.1, 0.5, 0.9])
def test_of_partial_scores_it_holds_the_truth_at_least_as_often_as_it_says(mean: float) -> None:
    rng, held = random.Random(0), 0
    for _ in range(2_000):
        score = fmean(rng.betavariate(mean, 1 - mean) for _ in range(40))
        low, high = of(score, 40)
        held += low <= mean <= high
    assert held / 2_000 >= 0.95
