"""`parameters`: one or two declared parameters of the parent take another value. It needs no model."""

from __future__ import annotations

from evolvent.errors import UsageError
from evolvent.evolution import parameter_values, perturb, read_parameters, with_values
from evolvent.protocols import MutationContext
from evolvent.types import Modification

__all__ = ["ParametersOperator"]

DRAWS = 8
"""How often it draws again when the very change was tried before."""


class ParametersOperator:
    """Turns what `genome.toml` declares, within its ranges."""

    __slots__ = ()

    def propose(self, context: MutationContext) -> Modification | None:
        """Return the parent with other values; None when it declares nothing that can vary."""
        before = dict(context.files(context.parent.id))
        try:
            declared = {name: p for name, p in read_parameters(before).items() if p.varies}
        except UsageError:
            return None
        if not declared:
            return None
        values = parameter_values(before)
        tried = {entry.get("hypothesis") for entry in context.history()}
        for _ in range(DRAWS):
            count = min(len(declared), context.rng.choice((1, 2)))
            chosen = sorted(context.rng.sample(sorted(declared), count))
            changes = {name: perturb(declared[name], context.rng) for name in chosen}
            hypothesis = "; ".join(f"{name}: {values[name]!r} -> {changes[name]!r}" for name in chosen)
            if hypothesis not in tried:
                break
        try:
            after = with_values(before, changes)
        except UsageError:  # a file that says the same in another way than tables
            return None
        return Modification(parent=context.parent.id, before=before, after=after, hypothesis=hypothesis)
