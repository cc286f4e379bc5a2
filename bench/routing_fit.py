"""The fit of the calibration and the threshold that ship as defaults of `RetrievalConfig`.

The calibration is a conditional logit with the outside option "none of these" (McFadden 1974). The threshold comes from
probabilities that each question got from a fit without its family (leave-families-out cross-validation): a threshold
from the fit's own questions would be too low for families that nobody has seen.
"""

import random

import numpy as np
from scipy import stats
from scipy.optimize import minimize

from bench.routing_set import share
from evolvent.search.config import FEATURES, Calibration

RIDGE = 1e-3
NONE_WEIGHT = 20.0
"""What a wrong activation costs against a missed skill."""
WRONG_ALLOWED = 0.03
"""Wrong activations on questions that no skill fits: what the upper bound of their share in cross-validation may be."""
LEVEL = 0.95
FOLDS = 8


def near_miss_of(query, name):
    return name.startswith(query.family[:50] + "-") and name != query.right


def without_near_misses(query, hits):
    """Return the candidates as in a library without the near misses of the question's family."""
    return [hit for hit in hits if not near_miss_of(query, hit.id)]


def one_near_miss(query, hits):
    """Return the candidates as in a library with one near miss of the question's family."""
    near = [hit.id for hit in hits if near_miss_of(query, hit.id)]
    kept = random.Random(query.text).choice(near) if near else ""  # no secret
    return [hit for hit in hits if hit.id == kept or not near_miss_of(query, hit.id)]


def fitted(questions, config):
    """Return the configuration with calibration and threshold from judged questions.

    Args:
        questions: (query, [(name, features), ...], whole) of one half of the families; the threshold comes from
            those that are whole: no near misses were taken out.
        config: the other settings.
    """
    wrong = []
    for number in range(FOLDS):
        calibration = fit([item for item in questions if fold(item[0].family) != number])
        for query, candidates, whole in questions:
            if fold(query.family) == number and whole and not query.right:
                wrong.append(max((calibration.probability(values) for _, values in candidates), default=0.0))
    return config.model_copy(update={"calibration": fit(questions), "threshold": threshold_for(wrong)})


def threshold_for(wrong):
    """Return the lowest threshold whose wrong activations are rare with a margin.

    The margin: the one-sided upper 95 % bound of their share (Clopper and Pearson, Biometrika 1934) is at most
    `WRONG_ALLOWED`. It takes the questions for independent, though those of one family are not quite.

    Args:
        wrong: probability of the best candidate of each question that no skill fits.
    """
    tops = sorted(wrong, reverse=True)
    over = 0
    while stats.beta.ppf(LEVEL, over + 2, len(tops) - over - 1) <= WRONG_ALLOWED:
        over += 1
    return round(tops[over] + 5e-4, 3)


def fold(family):
    return int(FOLDS * share(family, "fold"))


def fit(questions):
    """Return the calibration that makes the right choices most likely, with a ridge penalty."""
    rows, rights, sizes = [], [], []
    for query, candidates, _ in questions:
        names = [name for name, _ in candidates]
        if candidates and (not query.right or query.right in names):
            rights.append(len(rows) + names.index(query.right) if query.right else -1)
            rows += [[1.0, *(values[name] for name in FEATURES)] for _, values in candidates]
            sizes.append(len(candidates))
    x, right, size = np.array(rows), np.array(rights), np.array(sizes)
    start = np.r_[0, np.cumsum(size)[:-1]]
    weight = np.where(right >= 0, 1.0, NONE_WEIGHT)
    chosen = x[right] * (right >= 0)[:, None]

    def loss(beta):
        z = x @ beta
        top = np.maximum(np.maximum.reduceat(z, start), 0.0)
        odds, none = np.exp(z - np.repeat(top, size)), np.exp(-top)
        total = np.add.reduceat(odds, start) + none
        taken = np.where(right >= 0, odds[right], none) / total
        gradient = x.T @ (odds / np.repeat(total, size) * np.repeat(weight, size)) - weight @ chosen
        penalty = RIDGE * np.r_[0.0, beta[1:]]
        value = -(weight @ np.log(taken + 1e-12)) / len(size) + penalty @ beta
        return value, gradient / len(size) + 2 * penalty

    bounds = [(0.0, None) if name in ("similarity", "words") else (None, None) for name in ("", *FEATURES)]
    exact = {"ftol": 1e-13, "gtol": 1e-8, "maxiter": 5_000}
    beta = minimize(
        loss, np.zeros(len(FEATURES) + 1), jac=True, method="L-BFGS-B", bounds=bounds, options=exact
    ).x
    weights = {name: round(float(b), 3) for name, b in zip(FEATURES, beta[1:], strict=True)}
    return Calibration(intercept=round(float(beta[0]), 3), weights=weights)
