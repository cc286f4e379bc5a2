"""The statistics of a report."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap

from evolvent.practice import paired_bootstrap


def test_the_interval_agrees_with_scipy() -> None:
    rng = np.random.default_rng(3)
    before, after = rng.random(60), rng.random(60) + 0.2
    ours = paired_bootstrap(list(before), list(after))
    theirs = bootstrap((after - before,), np.mean, method="percentile", rng=np.random.default_rng(1))
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.02)


def test_equal_gains_have_an_interval_of_no_width() -> None:
    assert paired_bootstrap([0.0] * 5, [1.0] * 5) == (1.0, 1.0)


def test_the_interval_is_repeatable() -> None:
    values = [0.0, 1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 1.0, 1.0]
    assert paired_bootstrap(*values) == paired_bootstrap(*values)


@pytest.mark.parametrize(("before", "after"), [([], []), ([1.0], [1.0, 0.0])])
def test_unpaired_values_are_refused(before: list[float], after: list[float]) -> None:
    with pytest.raises(ValueError, match="equally long"):
        paired_bootstrap(before, after)
