"""Does hgm beat dgm in synthetic worlds, and where does the difference come from? Prints JSON.

    python -m bench.policy_worlds [--seeds 100] [--evaluations 800] [--trials 5 10 20]

Every policy in every world of `evolvent policies simulate`, and with 5, 10 and 20 evaluations of each new variant for
the policies that only expand. Three more are hgm with one part changed: `hgm without clades` expands by a variant's own
counts, `hgm, highest score` returns the champion as the other policies do, `hgm, budget known` draws more greedily
towards the end, as in the paper's experiments. Differences are of the champions' true pass rates, seed by seed.
"""

import argparse
import json
import platform
import time

import numpy as np

from evolvent.evolution.simulation import estimates, simulate
from evolvent.evolution.worlds import WORLDS
from evolvent_plugins.policies import POLICIES, HgmPolicy

BASELINE = "dgm"


class WithoutClades(HgmPolicy):
    def choose(self, archive, rng):
        return super().choose([v.model_copy(update={"parents": ()}) for v in archive], rng)


class HighestScore(HgmPolicy):
    def champion(self, archive):
        return POLICIES["best"].champion(archive)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--evaluations", type=int, default=800)
    parser.add_argument("--trials", type=int, nargs="+", default=[5, 10, 20])
    given = parser.parse_args()
    policies = {
        **POLICIES,
        "hgm without clades": WithoutClades(),
        "hgm, highest score": HighestScore(),
        "hgm, budget known": HgmPolicy(budget=given.evaluations),
    }
    found, started = {}, time.perf_counter()
    for world in WORLDS:
        for trials in given.trials:
            run = simulate(policies, world, seeds=given.seeds, evaluations=given.evaluations, trials=trials)
            rates = {o.policy: np.array(o.rates) for o in run.outcomes}
            found[f"{world}, {trials} trials"] = {
                o.policy: {
                    "true_rate": told(o.champion),
                    f"minus_{BASELINE}": told(estimates((rates[o.policy] - rates[BASELINE])[:, None])[0]),
                }
                for o in run.outcomes
            }
    print(
        json.dumps(
            {
                "what": "policy worlds",
                "machine": platform.machine(),
                "python": platform.python_version(),
                **vars(given),
                "seconds": round(time.perf_counter() - started),
                "worlds": found,
            },
            indent=2,
        )
    )


def told(estimate):
    return [round(estimate.mean, 3), round(estimate.low, 3), round(estimate.high, 3)]


if __name__ == "__main__":
    main()
