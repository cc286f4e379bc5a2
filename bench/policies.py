"""How long policies take to choose from a large archive: prints JSON.

    python -m bench.policies [--variants 10000] [--repeats 30]

The archive is grown with a seed: a tenth are crossovers, a tenth not viable, all with a score, a cost and a size. If
`ribs` is installed, its `GridArchive` is filled with the same variants, already cut into cells: what it takes to import
it and to fill it, and whether both keep elites of the same scores. `cpu` is the time of this process alone: the
machine may be busy.
"""

import argparse
import json
import platform
import resource
import statistics
import time
from importlib.util import find_spec
from random import Random

from evolvent.types import Variant
from evolvent_plugins.policies import POLICIES
from evolvent_plugins.policies.map_elites import cells_of, elites_of


def grown(size, seed=0):
    rng = Random(seed)
    archive = [Variant(id="v0", trials=10, passed=4, score=0.4, scores={"cost": -1.0, "size": -4.0})]
    for n in range(1, size):
        parent = archive[min(rng.randrange(n), rng.randrange(n))]
        other = (archive[rng.randrange(n)].id,) if rng.random() < 0.1 else ()
        trials = rng.choice((0, 4, 8, 16))
        rate = min(0.95, max(0.05, parent.score + rng.gauss(0, 0.1)))
        passed = sum(rng.random() < rate for _ in range(trials))
        archive.append(
            Variant(
                id=f"v{n}",
                parents=(parent.id, *(o for o in other if o != parent.id)),
                generation=parent.generation + 1,
                trials=trials,
                passed=passed,
                score=passed / trials if trials else 0.0,
                scores={"cost": -rng.random(), "size": -float(rng.randrange(1, 400))},
                viable=rng.random() < 0.9,
            )
        )
    return archive


def milliseconds(call, repeats):
    wall, cpu = [], []
    for n in range(repeats):
        started, used = time.perf_counter(), time.process_time()
        call(n)
        wall.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - used) * 1000)
    return {"wall_ms_p50": round(statistics.median(wall), 2), "cpu_ms_p50": round(statistics.median(cpu), 2)}


def beside_ribs(archive, repeats):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    import numpy as np
    from ribs.archives import GridArchive

    viable = [v for v in archive if v.viable]
    names = ("cost", "size")
    cells = np.array([cells_of([v.scores[name] for v in viable], 8) for name in names]).T

    def kept(n):
        grid = GridArchive(solution_dim=1, dims=(8, 8), ranges=[(-0.5, 7.5)] * 2)
        grid.add(np.arange(len(viable)).reshape(-1, 1), np.array([v.score for v in viable]), cells)
        return grid

    theirs = sorted(viable[int(n)].score for n in kept(0).data("solution").ravel())
    return {
        "import_and_first_use_seconds": round(time.perf_counter() - started, 1),
        "import_and_first_use_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024,
        "fill": milliseconds(kept, repeats),
        "same_elites": theirs == sorted(v.score for v in elites_of(viable, names)),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variants", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=30)
    given = parser.parse_args()
    archive = grown(given.variants)
    found = {}
    for name, policy in POLICIES.items():
        policy.choose(archive, Random(0))
        policy.champion(archive)
        found[name] = {
            "choose": milliseconds(lambda n, p=policy: p.choose(archive, Random(n)), given.repeats),
            "champion": milliseconds(lambda n, p=policy: p.champion(archive), given.repeats),
        }
    # expanding is what costs hgm most: few variants for as many evaluations
    measured = [
        v.model_copy(update={"trials": 1000, "passed": 1000 * v.passed // max(v.trials, 1)}) for v in archive
    ]
    found["hgm"]["choose_to_expand"] = milliseconds(
        lambda n: POLICIES["hgm"].choose(measured, Random(n)), given.repeats
    )
    found["hgm"]["expands"] = POLICIES["hgm"].choose(measured, Random(0)).action == "expand"
    print(
        json.dumps(
            {
                "what": "policies",
                "machine": platform.machine(),
                "python": platform.python_version(),
                **vars(given),
                "policies": found,
                "ribs": beside_ribs(archive, given.repeats) if find_spec("ribs") else None,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
