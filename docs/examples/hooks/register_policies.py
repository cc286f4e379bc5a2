"""A self-modification policy that expands the best of two variants drawn at random."""

from evolvent import hookimpl
from evolvent.types import Move


class Tournament:
    """Tournament selection of size two."""

    def choose(self, archive, rng):
        viable = [variant for variant in archive if variant.viable]
        drawn = [rng.choice(viable) for _ in range(2)]
        return Move(action="expand", variant=max(drawn, key=lambda variant: variant.score).id)

    def champion(self, archive):
        return max((v for v in archive if v.viable), key=lambda variant: variant.score).id


@hookimpl
def register_policies(register):
    register("tournament", lambda settings: Tournament())
