"""select: the policy chooses what to expand and what to measure."""

from __future__ import annotations

from typing import Any

from evolvent.graphs.campaign import Campaign
from evolvent.graphs.evolve_state import EvolveState
from evolvent.graphs.parents import choose_parent
from evolvent.types import Candidate, JsonValue, Split, Variant

__all__ = ["select"]

TRIES = 3
"""Times that a variant is begun to be measured where that fails; it goes on from what is stored each time."""


def select(state: EvolveState, campaign: Campaign) -> dict[str, Any]:
    """Make the moves of a generation, one after the other: each sees the children that the earlier ones will have."""
    begun = campaign.purse.begin_generation()
    seen = campaign.archive.tried()
    planned: dict[str, set[str]] = {}
    chosen = []
    for slot in range(state.options.width):
        rng = campaign.rng("select", state.generation, slot)
        move, fell_back = choose_parent(campaign, seen, rng)
        key = f"{state.run_id}/{state.generation}/{slot}"
        action, evidence = move.action, dict[str, JsonValue]()
        if fell_back:
            evidence["fell_back"] = fell_back
        if action == "measure":
            taken = planned.setdefault(move.variant, set(campaign.archive.scores(move.variant, Split.TRAIN)))
            task = next((t.id for t in campaign.tasks[Split.TRAIN] if t.id not in taken), None)
            if task is None:
                action = "expand"  # nothing is left to measure it on
            else:
                taken.add(task)
                evidence["task"] = task
        if action == "expand":
            child = Variant(id=key, parents=(move.variant,), generation=state.generation, viable=False)
            seen.attempt(child)
        operators = sorted(campaign.operators)
        chosen.append(
            Candidate(
                key=key,
                generation=state.generation,
                slot=slot,
                action=action,
                parent=move.variant,
                operator=rng.choice(operators) if action == "expand" else "",
                evidence=evidence,
            )
        )
    return {"candidates": (*chosen, *_again(state, campaign)), "begun": begun}


def _again(state: EvolveState, campaign: Campaign) -> list[Candidate]:
    """Return candidates for variants that could not be measured to the end before: they go on from there."""
    rows = campaign.archive.tables.unfinished(TRIES)[: state.options.width]
    return [
        Candidate(
            key=f"{state.run_id}/{state.generation}/{slot}",
            generation=state.generation,
            slot=slot,
            action="expand",
            parent=row.parent,
            operator=row.operator,
            status="checked",
            stage="check",
            hypothesis=row.hypothesis,
            variant=row.variant,
            evidence={"again": row.key, "changed": list(row.changed)},
        )
        for slot, row in enumerate(rows, state.options.width)
        if row.variant in campaign.archive
    ]
