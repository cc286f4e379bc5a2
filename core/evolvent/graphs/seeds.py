"""Seeds of the parts of a run."""

from __future__ import annotations

import hashlib

__all__ = ["unit_seed"]


def unit_seed(seed: int, *parts: object) -> int:
    """Return the seed of one part of a run: a function of the run's seed and the part's name only, below 2³¹."""
    text = "/".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
