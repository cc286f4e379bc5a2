"""`meta-agent`: the parent's own meta agent edits it, as in the Darwin Gödel Machine and Hyperagents."""

from __future__ import annotations

from evolvent.evolution import EditError, apply_edits, check_surface
from evolvent.protocols import MutationContext
from evolvent.types import Modification

__all__ = ["RETRIES", "MetaAgentOperator"]

RETRIES = 3
"""How often a proposal that does not fit is given back."""
MAX_PROBLEM = 2000
"""Characters of a problem that the meta agent is told: it shows them to a model."""


class MetaAgentOperator:
    """Asks `improve` of the parent's meta agent, and tells it what was wrong with a proposal that does not fit."""

    __slots__ = ()

    def propose(self, context: MutationContext) -> Modification | None:
        """Return the parent with the proposed edits; None when there are none that fit.

        A program that would not compile is given back as well. It is returned after the last try, so that the
        kernel's rejection is on record.
        """
        before = dict(context.files(context.parent.id))
        problems: list[str] = []
        last: Modification | None = None
        for _ in range(1 + RETRIES):
            proposal = context.improve(tuple(problems))
            if proposal is None:
                break
            try:
                after, hypothesis = apply_edits(before, proposal)
            except EditError as error:
                problems.append(str(error)[:MAX_PROBLEM])
                continue
            last = Modification(parent=context.parent.id, before=before, after=after, hypothesis=hypothesis)
            faults = check_surface(after)
            if not faults:
                return last
            problems.append("; ".join(faults)[:MAX_PROBLEM])
        return last
