"""archive: everything that came of the generation is stored, rejections and failures included."""

from __future__ import annotations

from typing import Any

from evolvent.graphs.campaign import Campaign
from evolvent.graphs.evolve_state import EvolveState
from evolvent.storage.archive import UNMEASURED, StoredVariant
from evolvent.types import Candidate, VariantDecided

__all__ = ["archive"]


def archive(state: EvolveState, campaign: Campaign) -> dict[str, Any]:
    """Store variants and candidates in the order of their slots; a second time changes nothing."""
    made = [c for c in state.candidates if c.action == "expand"]
    campaign.archive.add(_stored(campaign, c) for c in made if c.variant)
    for candidate in made:
        if candidate.variant:  # those that were there before: they were measured again
            campaign.archive.judge(candidate.variant, *_viable(candidate))
    campaign.archive.decided(made)
    campaign.solving.ledger.append_all(
        VariantDecided(
            key=f"variant:{candidate.key}",
            run_id=state.run_id,
            variant=candidate.variant,
            parent=candidate.parent,
            operator=candidate.operator,
            status=candidate.status,
            stage=candidate.stage,
            reason=candidate.reason[:1_000],
        )
        for candidate in made
    )
    return {}


def _stored(campaign: Campaign, candidate: Candidate) -> StoredVariant:
    genomes = campaign.archive.genomes
    parents = genomes.parents(candidate.variant)
    viable, reason = _viable(candidate)
    depth = 1 + max(campaign.archive.stored(parent).generation for parent in parents)
    return StoredVariant(
        id=candidate.variant,
        tree=genomes.tree(candidate.variant),
        parents=parents,
        generation=depth,
        run_id=campaign.run_id,
        operator=candidate.operator,
        hypothesis=candidate.hypothesis,
        viable=viable,
        reason=reason,
    )


def _viable(candidate: Candidate) -> tuple[bool, str]:
    """Return whether a candidate may be a parent, and why not: it must have been measured, for as long as it could win.

    The model may go away at the gate: then it was measured.
    """
    if candidate.status == "rejected":
        return False, candidate.reason
    if candidate.status == "failed" and candidate.stage != "gate":
        return False, f"{UNMEASURED}{candidate.reason}"
    return True, ""
