"""Does the gate promote what is no better, and what does it find? Prints JSON.

    python -m bench.null_experiment [--runs 200] [--generations 50] [--tasks 60] [--train 40] [--seed 0]

Null: in each run every candidate of every generation behaves as the incumbent does: the same probability of passing
each task, other luck. As in a run, those that do better on train come to the gate, and those that stand out there are
tested in a row of their own. The gate's own code decides; what is reported is the share of runs that promoted
anything. `kept` measures the incumbent once, when it is promoted; `fresh` measures it anew beside each candidate;
`graded` is `fresh` with scores that are means of four tries.

Power: the probability that a candidate whose true pass rate is higher by so much is accepted as test 1, 10 and 50 of
its row, each task's probability being higher by the same amount; with one try a task (0 or 1) and with the mean of
four.
"""

import argparse
import json
import platform

import numpy as np
from scipy.stats import binomtest

from evolvent.evolution import ErrorBudget, decide, is_promising

GAINS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
NUMBERS = (1, 10, 50)
TRIES = 4
POWER_RUNS = 400
WANTED = 0.8
"""Power from which a gain counts as found."""


def evaluated(rng, rates, kind):
    if kind == "graded":
        return rng.binomial(TRIES, rates) / TRIES
    return (rng.random(len(rates)) < rates).astype(float)


def promotions(rng, tasks, generations, kind, error, train=40):
    """Return how many candidates of one run were promoted."""
    rates, practice = rng.beta(1, 1, tasks), rng.beta(1, 1, train)
    kept, kept_practice = evaluated(rng, rates, kind), evaluated(rng, practice, "fresh")
    tests, accepted = {True: 0, False: 0}, 0
    for _ in range(generations):
        own = evaluated(rng, practice, "fresh")
        rival = kept_practice if kind == "kept" else evaluated(rng, practice, "fresh")
        if own.sum() <= rival.sum():
            continue
        promising = is_promising(own, rival)
        tests[promising] += 1
        candidate = evaluated(rng, rates, kind)
        incumbent = kept if kind == "kept" else evaluated(rng, rates, kind)
        found = decide(
            candidate, incumbent, sum(tests.values()), error.row(promising), place=tests[promising]
        )
        if found.accepted:
            accepted += 1
            kept, kept_practice = candidate, own
    return accepted


def power(rng, tasks, gain, number, spending, runs=POWER_RUNS, kind="fresh"):
    """Return the share of accepted candidates that are better by `gain`; the incumbent passes half on average."""
    found = 0
    for _ in range(runs):
        middle = (1 - gain) / 2
        rates = middle + (rng.beta(1, 1, tasks) - 0.5) * min(middle, 0.3) * 2
        ours, theirs = evaluated(rng, rates + gain, kind), evaluated(rng, rates, kind)
        found += decide(ours, theirs, number, spending).accepted
    return found / runs


def share(found, runs):
    test = binomtest(found, runs, 0.05, alternative="two-sided")
    interval = test.proportion_ci(method="exact")
    return {
        "runs": runs,
        "runs_with_a_promotion": found,
        "share": found / runs,
        "interval_95": [round(float(interval.low), 4), round(float(interval.high), 4)],
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--generations", type=int, default=50)
    parser.add_argument("--tasks", type=int, default=60)
    parser.add_argument("--train", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    error, null = ErrorBudget(), {}
    for kind in ("kept", "fresh", "graded"):
        rng = np.random.default_rng(given.seed)
        runs = [
            promotions(rng, given.tasks, given.generations, kind, error, given.train)
            for _ in range(given.runs)
        ]
        null[kind] = share(sum(count > 0 for count in runs), given.runs)
    print(
        json.dumps(
            {
                "what": "gate",
                "machine": platform.machine(),
                "python": platform.python_version(),
                **vars(given),
                "null": null,
                "power": {
                    f"{row}, {words} a task": powers(given, error.row(row == "promising"), kind)
                    for row in ("promising", "others")
                    for words, kind in (("one try", "fresh"), ("four tries", "graded"))
                },
            },
            indent=2,
        )
    )


def powers(given, spending, kind):
    rng = np.random.default_rng(given.seed)
    found = {}
    for number in NUMBERS:
        by = {gain: power(rng, given.tasks, gain, number, spending, kind=kind) for gain in GAINS}
        found[f"as_test_{number}"] = {
            **by,
            "found_with_power_0.8": next((gain for gain in GAINS if by[gain] >= WANTED), None),
        }
    return found


if __name__ == "__main__":
    main()
