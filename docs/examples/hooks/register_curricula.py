"""Practise families in a random order, the same for the same seed: `evolvent learn --curriculum shuffled …`."""

from evolvent import hookimpl


class Shuffled:
    def next_family(self, families, rng):
        left = [progress.family for progress in families if progress.left]
        return rng.choice(left) if left else None


@hookimpl
def register_curricula(register):
    register("shuffled", lambda settings: Shuffled())
