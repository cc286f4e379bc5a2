"""Staged measuring stops what cannot win, and seldom anything else."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolvent.errors import UsageError
from evolvent.evolution.stages import hopeless, stages

scores = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0])), max_size=40)


@given(st.integers(1, 5_000), st.integers(1, 200))
def test_stages_double_and_end_with_everything(total, first):
    found = stages(total, first)
    assert found[-1] == total
    assert list(found) == sorted(set(found))
    assert found[0] == min(first, total)
    assert all(b == 2 * a for a, b in pairwise(found[:-1]))


@pytest.mark.parametrize(("total", "first"), [(0, 4), (10, 0), (-1, 1)])
def test_stages_of_nothing_are_refused(total, first):
    with pytest.raises(UsageError, match="at least 1"):
        stages(total, first)


@given(scores, st.integers(0, 40))
def test_what_can_no_longer_win_is_stopped_and_what_can_is_only_stopped_on_evidence(paired, left):
    ours, theirs = [a for a, _ in paired], [b for _, b in paired]
    best = sum(ours) + left - sum(theirs)
    reason = hopeless(ours, theirs, left)
    if best <= 0:
        assert reason.startswith("it cannot win")
    else:
        assert reason == "" or reason.startswith("it is worse")


def test_the_words_of_a_stop():
    assert hopeless([0.0] * 3, [1.0] * 3, 2) == "it cannot win: 3 behind with 2 tasks left"
    assert hopeless([0.0] * 8, [1.0] * 8, 52).startswith("it is worse: 8 behind after 8 tasks (e-value ")
    assert hopeless([0.0] * 4, [1.0] * 4, 56) == ""
    assert hopeless([], [], 60) == ""


def test_a_candidate_that_is_as_good_is_seldom_stopped_however_often_one_looks():
    rng = random.Random(4)
    stopped = 0
    for _ in range(1_000):
        rates = [rng.random() for _ in range(60)]
        ours = [float(rng.random() < rate) for rate in rates]
        theirs = [float(rng.random() < rate) for rate in rates]
        stopped += any(
            hopeless(ours[:n], theirs[:n], 10_000).startswith("it is worse") for n in range(4, 61, 4)
        )
    assert stopped / 1_000 <= 0.05


def test_a_candidate_that_is_much_worse_is_stopped_early():
    rng = random.Random(4)
    tasks = []
    for _ in range(200):
        ours, theirs = (
            [float(rng.random() < 0.1) for _ in range(60)],
            [float(rng.random() < 0.7) for _ in range(60)],
        )
        tasks.append(next(n for n in stages(60) if hopeless(ours[:n], theirs[:n], 60 - n) or n == 60))
    assert sum(tasks) / len(tasks) < 30


@pytest.mark.parametrize(
    ("ours", "theirs", "left", "alpha"),
    [([1.0], [], 1, 0.05), ([2.0], [1.0], 1, 0.05), ([1.0], [1.0], -1, 0.05), ([1.0], [1.0], 1, 0.0)],
)
def test_what_cannot_be_looked_at_is_refused(ours, theirs, left, alpha):
    with pytest.raises(UsageError):
        hopeless(ours, theirs, left, alpha=alpha)


def test_what_the_rival_scored_before_on_the_tasks_left_counts() -> None:
    assert hopeless([0.0, 0.0], [1.0, 1.0], 8) == ""
    assert "it cannot win" in hopeless([0.0, 0.0], [1.0, 1.0], 8, rival_left=6.0)
    assert hopeless([1.0, 0.0], [1.0, 0.0], 3, rival_left=2.0) == ""
    assert hopeless([1.0, 0.0], [1.0, 0.0], 3, rival_left=3.0), "a tie is no win"
