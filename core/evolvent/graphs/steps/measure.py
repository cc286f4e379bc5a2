"""measure: the train split, in stages, for as long as a candidate may still win."""

from __future__ import annotations

from typing import Any

from evolvent.evolution.stages import stages
from evolvent.graphs.campaign import Campaign
from evolvent.graphs.evolve_state import EvolveState
from evolvent.graphs.steps.stage import advance
from evolvent.types import Candidate, Split

__all__ = ["measure"]


def measure(state: EvolveState, campaign: Campaign) -> dict[str, Any]:
    """Measure on, stage by stage; who gets to the end was measured on all tasks."""
    counts = stages(len(campaign.tasks[Split.TRAIN]), state.options.first)[1:]
    return {"candidates": tuple(_to_the_end(campaign, c, counts) for c in state.at("checked"))}


def _to_the_end(campaign: Campaign, candidate: Candidate, counts: tuple[int, ...]) -> Candidate:
    for count in counts:
        (candidate,) = advance(campaign, [candidate], count)
        if candidate.status != "checked":
            return candidate
    return candidate.model_copy(update={"status": "measured", "stage": "measure"})
