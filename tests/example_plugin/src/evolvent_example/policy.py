"""A self-modification policy."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from evolvent.types import Move, Variant


class Youngest:
    """Expands the youngest viable variant."""

    def choose(self, archive: Sequence[Variant], rng: Random) -> Move:
        """Return the next move."""
        return Move(action="expand", variant=[variant for variant in archive if variant.viable][-1].id)

    def champion(self, archive: Sequence[Variant]) -> str:
        """Return the best variant, the older one of equals."""
        return max((variant for variant in archive if variant.viable), key=lambda variant: variant.score).id
