"""How to choose which program of the archive gets the next child: a good one that has few children yet."""

import math
from collections import Counter


def select(archive, rng):
    """Draw a parent's id: p ∝ sigmoid(10 · (score - mean of the best three)) · exp(-(children / 8)³).

    The formula is that of DGM-H (`select_parent` in `utils/gl_utils.py` of facebookresearch/HyperAgents). Each entry
    of the archive holds id, parents, generation, trials, passed, score, scores, viable.
    """
    viable = [v for v in archive if v["viable"]]
    best = sorted((v["score"] for v in viable), reverse=True)[:3]
    middle = sum(best) / len(best)
    children = Counter(parent for v in archive for parent in set(v["parents"]))
    logs = [-math.log1p(math.exp(10 * (middle - v["score"]))) - (children[v["id"]] / 8) ** 3 for v in viable]
    weights = [math.exp(log - max(logs)) for log in logs]
    return rng.choices([v["id"] for v in viable], weights)[0]
